# SPDX-License-Identifier: GPL-2.0-or-later
# One plot: gnuplot -c plot.gp time|memory|latency DATA OUT.svg|OUT.png TITLE LINES
#
# DATA has a block for each of the plot's LINES, which begins with its name.

kind = ARG1
data = ARG2
if (ARG3[strlen(ARG3)-2:] eq "svg") {
    set terminal svg size 760,460 dynamic font "sans-serif,14" background "white"
} else {
    set terminal pngcairo size 1140,690 font "sans,16"
}
set output ARG3
set title ARG4
set grid
set border 3
set tics nomirror
set key below Left reverse
set xlabel offset 0,0.5
set rmargin 6

lines = int(ARG5)
set bmargin 4 + (lines + 1) / 2     # the key's, two in a row
array colour[7] = ["#000000", "#0072b2", "#56b4e9", "#009e73", "#e69f00", \
                   "#d55e00", "#cc79a7"]

if (kind eq "latency") {
    set logscale x
    set format x "%.0f"
    set xlabel "page-in takes no longer than, microseconds"
    set ylabel "of page-ins, %"
    set yrange [0:100]
    plot for [i=0:lines-1] data index i using 1:2 with steps linewidth 2 \
        linecolor rgb colour[i % 7 + 1] title columnheader(1)
} else {
    set xlabel "of the footprint in local memory, %"
    set xrange [*:*] reverse noextend
    set xtics 25
    if (kind eq "time") {
        set logscale y
        set ylabel "the work takes, seconds"
        scale = 1.
    } else {
        set yrange [0:*]
        set ylabel "held for what is swapped, MiB"
        scale = 1048576.
    }
    plot for [i=0:lines-1] data index i using 1:($2/scale) with linespoints \
        linewidth 2 pointtype 7 pointsize 0.6 \
        linecolor rgb colour[i % 7 + 1] title columnheader(1)
}
