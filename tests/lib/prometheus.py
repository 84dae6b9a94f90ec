# SPDX-License-Identifier: GPL-2.0-or-later
"""Check standard input against the rules of the Prometheus text format:
   https://prometheus.io/docs/instrumenting/exposition_formats/
and its conventions for names.  Prints what is wrong, or nothing."""

import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile (rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? (\S+)$")
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


class Wrong (Exception):
    pass


def check (condition, *what):
    if not condition:
        raise Wrong (" ".join (map (str, what)))


def family_of (name, types):
    for suffix in ("_bucket", "_sum", "_count"):
        base = name[:-len (suffix)]
        if name.endswith (suffix) and types.get (base) == "histogram":
            return base
    return name


def check_value (family, type, value):
    number = float (value)
    check (type == "gauge" or number >= 0, family, "is negative")


def check_histogram (family, samples):
    series = {}
    for name, labels, value in samples:
        rest = tuple (l for l in labels if l[0] != "le")
        s = series.setdefault (rest, {"buckets": []})
        if name == family + "_bucket":
            le = dict (labels).get ("le")
            check (le is not None, family, "has a bucket without le")
            s["buckets"].append ((float (le), float (value)))
        else:
            check (name != family, family, "is a sample of a histogram")
            check (len (rest) == len (labels), name, "has le")
            s[name[len (family):]] = float (value)
    for rest, s in series.items ():
        bounds = [b for b, n in s["buckets"]]
        counts = [n for b, n in s["buckets"]]
        check (bounds and bounds == sorted (set (bounds)), family,
               "has buckets out of order")
        check (bounds[-1] == float ("inf"), family, "has no bucket +Inf")
        check (counts == sorted (counts), family, "does not accumulate")
        check (s.get ("_count") == counts[-1], family,
               "has another count than its last bucket")
        check ("_sum" in s, family, "has no sum")


def check_name (family, type):
    check (type != "counter" or family.endswith ("_total"), family,
           "is a counter and does not end in _total")
    check (type == "counter" or not family.endswith ("_total"), family,
           "ends in _total and is no counter")
    for unit in ("ms", "us", "ns", "milliseconds", "microseconds",
                 "nanoseconds", "kib", "mib", "kilobytes", "megabytes"):
        check (unit not in family.split ("_"), family,
               "is not in a base unit")


def check_text (text):
    check (text == "" or text.endswith ("\n"), "the last line has no end")
    types, helps, samples, seen = {}, set (), {}, set ()
    current = None
    for line in text.split ("\n")[:-1]:
        if line.startswith ("# HELP "):
            check (re.match (rf"# HELP {NAME} .", line), "bad help:", line)
            name = line.split ()[2]
            check (name not in helps, name, "has two helps")
            check (name not in samples, name, "has help after its samples")
            helps.add (name)
        elif line.startswith ("# TYPE "):
            check (len (line.split ()) == 4, "bad type:", line)
            name, type = line.split ()[2:]
            check (name not in types, name, "has two types")
            check (name not in samples, name, "has its type after samples")
            check (type in TYPES, name, "has the unknown type", type)
            check_name (name, type)
            types[name] = type
        else:
            m = SAMPLE.match (line)
            check (m, "no sample:", line)
            name, value = m.group (1), m.group (m.lastindex)
            labels = tuple (re.findall (LABEL, m.group (2) or ""))
            check (len (dict (labels)) == len (labels), "label twice:", line)
            check ((name, labels) not in seen, "sample twice:", line)
            seen.add ((name, labels))
            family = family_of (name, types)
            check (family in types and family in helps, family,
                   "is not described")
            check (family == current or family not in samples, family,
                   "is scattered")
            current = family
            samples.setdefault (family, []).append ((name, labels, value))
            check_value (family, types[family], value)
    for family, type in types.items ():
        check (type != "untyped", family, "is unknown to the command")
        if type == "histogram":
            check_histogram (family, samples.get (family, []))


GOOD = """# HELP a_total x
# TYPE a_total counter
a_total{s="1\\"\\\\\\n",t="2"} 3
# HELP h x
# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="+Inf"} 2
h_sum 1.5
h_count 2
"""

BAD = (("a_total", "a"), ("# HELP a_total x\n", ""), ("counter", "number"),
       ("} 3", "} x"), ("a_total", "a_ms_total"), ("} 3", "} -3"), ("# TYPE h", "# TYPE a_total"),
       ('le="+Inf"', 'le="2"'), ('"+Inf"} 2', '"+Inf"} 0'),
       ("h_sum 1.5\n", ""), ("h_count 2", "h_count 3"), ('t="2"', 't="2'),
       ('t="2"', 's="2"'), ("h_count 2\n", "h_count 2"),
       ("h_sum 1.5\n", "h_sum 1.5\nh_sum 1.5\n"),
       ("h_sum 1.5\n", 'h_sum 1.5\na_total{s="9"} 1\n'))


def self_test ():
    """A checker that accepts everything would be no test."""
    check_text (GOOD)
    for old, new in BAD:
        assert old in GOOD
        try:
            check_text (GOOD.replace (old, new))
        except (Wrong, ValueError):
            continue
        sys.exit (f"the checker does not see {new!r} instead of {old!r}")


self_test ()
try:
    check_text (sys.stdin.read ())
except (Wrong, ValueError) as e:
    sys.exit (str (e))
