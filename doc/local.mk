# SPDX-License-Identifier: GPL-2.0-or-later

# Pictures are made from text, and committed: README.md shows them, and no
# build needs graphviz, tmux or prometheus.  After a change: make pictures
pictures = doc/page.dot doc/processes.dot doc/threads.dot

# For Prometheus and Grafana; tests/command/prometheus.sh checks them.
dist_doc_DATA = doc/grafana-dashboard.json doc/prometheus-alerts.yml

EXTRA_DIST += $(pictures) $(pictures:.dot=.svg) doc/top.svg scripts/draw-top \
	doc/dashboard.svg scripts/draw-dashboard

.PHONY: pictures
pictures:
	for picture in $(pictures:.dot=); do \
	  dot -Tsvg -o $(srcdir)/$$picture.svg $(srcdir)/$$picture.dot && \
	  sed -i 's|^<svg|<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n&|' \
	    $(srcdir)/$$picture.svg || exit; \
	done
	$(srcdir)/scripts/draw-top . >$(srcdir)/doc/top.svg.new
	mv $(srcdir)/doc/top.svg.new $(srcdir)/doc/top.svg
	$(srcdir)/scripts/draw-dashboard . >$(srcdir)/doc/dashboard.svg.new
	mv $(srcdir)/doc/dashboard.svg.new $(srcdir)/doc/dashboard.svg
