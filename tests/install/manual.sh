#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each verb has its page, and each link in the manual leads somewhere.
. "${srcdir:-.}/tests/lib/functions.sh"

requires podchecker perl
man=$srcdir/man
[ -e "$man/nbdzram.pod" ] || skip "the manual is not there"

# What is made: NAME SECTION.
sed -n -E 's|.*man/([a-z.-]+)\.([0-9])( .*)?$|\1 \2|p' "$man/local.mk" |
    sort -u >"$tmp/pages"
[ "$(wc -l <"$tmp/pages")" -ge 15 ] || fail "$(cat "$tmp/pages")"
cut -d ' ' -f 1 "$tmp/pages" | sort >"$tmp/made"
for pod in "$man"/*.pod; do basename "$pod" .pod; done | sort |
    diff "$tmp/made" - || fail "made (<) and there (>) differ"

nbdzram --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p' \
    >"$tmp/verbs"
[ "$(wc -l <"$tmp/verbs")" -ge 12 ] || fail "$(cat "$tmp/verbs")"
while read -r verb; do
    grep -qx "nbdzram-$verb 8" "$tmp/pages" ||
        fail "nbdzram-$verb(8) is not made"
done <"$tmp/verbs"

for pod in "$man"/*.pod; do
    podchecker "$pod" >"$tmp/out" 2>&1 && ! grep -q WARN "$tmp/out" ||
        fail "$(cat "$tmp/out")"
done

# Links are PAGE(SECTION), PAGE(SECTION)/HEADING and /HEADING.  Those to
# our own pages must be to one that is there, with that heading; others to
# some page of another project.
cat >"$tmp/links.pl" <<'END'
my ($dir, $pages) = @ARGV;
my (%section, %heading, $wrong);

open (my $p, '<', $pages) or die;
while (<$p>) { my ($page, $n) = split; $section{$page} = $n; }

sub text { my $t = shift; $t =~ s/[BCFIL]<([^<>]*)>/$1/g; $t =~ s/\s+/ /g; $t }
sub slurp { local $/; open (my $f, '<', "$dir/$_[0].pod") or die; <$f> }

my %pod = map { $_ => slurp ($_) } keys %section;
for my $page (keys %pod) {
    while ($pod{$page} =~ /^=(?:head[12]|item) +(.*)$/mg) {
        $heading{$page}{text ($1)} = 1;
    }
}
sub wrong { print "$_[0]\n"; $wrong = 1; }
for my $page (sort keys %pod) {
    while ($pod{$page} =~ /L<([^<>]+)>/g) {
        my $link = text ($1);
        next if $link =~ m{^https?://};
        my ($to, $n, $where) =
            $link =~ m{^(?:([\w.-]+)\((\d)\))?(?:/(.+))?$} or
            wrong ("$page: L<$link> is no link"), next;
        if (!defined $to) { $to = $page; $n = $section{$page}; }
        if (!exists $section{$to}) {
            wrong ("$page: $link: no such page") if $to =~ /^nbdzram|zram-plugin/;
            next;
        }
        wrong ("$page: $link is in section $section{$to}")
            if $section{$to} != $n;
        wrong ("$page: $link: no such heading")
            if defined $where && !$heading{$to}{$where};
    }
    # Names of pages that are no links: they age unseen.
    (my $rest = $pod{$page}) =~ s/L<[^<>]+>//g;
    while ($rest =~ /\b(nbdzramd?(?:[.-][a-z-]+)?)\((\d)\)/g) {
        wrong ("$page: $1($2) is there, but not as a link");
    }
}
exit ($wrong ? 1 : 0);
END
perl "$tmp/links.pl" "$man" "$tmp/pages" >"$tmp/out" || fail "$(cat "$tmp/out")"

# It finds what is wrong.
mkdir "$tmp/man"
cp "$man"/*.pod "$tmp/man"
for link in 'nbdzram-none(8)' 'nbdzram(1)' 'nbdzram(8)/NONE' '/NONE'; do
    { cat "$man/nbdzram.pod"; printf '\n=pod\n\nL<%s>\n' "$link"; } \
        >"$tmp/man/nbdzram.pod"
    ! perl "$tmp/links.pl" "$tmp/man" "$tmp/pages" >/dev/null ||
        fail "a link to $link is not noticed"
done

# Verbs, pages and files that the text names in other places.
for page in README.md HACKING.md doc/swap0.conf doc/zram0.conf \
        systemd/nbdzram@.service.in systemd/nbdzram-swap@.service.in \
        systemd/nbdzram-mount@.service.in \
        systemd/nbdzram-metrics@.service.in systemd/nbdzram-metrics.socket
do
    { grep -o -E '\bnbd(zram|kit-zram)[a-z.-]*\([0-9]\)' "$srcdir/$page" ||
          :; } | while read -r link; do
        name=${link%(*}
        n=${link#*(}
        grep -qx "$name ${n%)}" "$tmp/pages" || fail "$page: $link"
    done
done

# Files and functions that HACKING.md names.
grep -o '`[^` ]*`' "$srcdir/HACKING.md" | tr -d '`' | sort -u |
    while read -r name; do
        case $name in
            *[A-Z*=]* | --* | ./* | ../* | build/ | *.log) ;;
            */*) [ -e "$srcdir/$name" ] || echo "no file $name" ;;
            *_[a-z]*)
                grep -rqw "$name" "$srcdir"/{lib,service,plugin,server,command} ||
                    echo "no function $name" ;;
        esac
    done >"$tmp/out"
! [ -s "$tmp/out" ] || fail "HACKING.md: $(cat "$tmp/out")"
