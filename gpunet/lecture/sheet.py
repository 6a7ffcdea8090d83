"""The style sheet of the page, for phones, wide screens and paper."""

SHEET = """
:root { color-scheme: light dark; --ink: #222; --soft: #595959; --paper: #fff; --panel: #f4f6f8;
  --line: #d5dadf; --accent: #0060a0; --mistake: #a34700; --mistake-panel: #fdf3ea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #b0b0b0; --paper: #16191c;
  --panel: #1f2428; --line: #3a4147; --accent: #7cc0f0; --mistake: #f0a060; --mistake-panel: #2a221b; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
header, main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 1rem 0 .5rem; }
h2 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 span { color: var(--soft); font-weight: 400; margin-right: .3em; }
h3 { font-size: 1rem; margin: 0; }
aside h3 { color: var(--mistake); }
p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--accent); }
.small, nav span { color: var(--soft); font-size: .9rem; }
nav h2 { font-size: 1.2rem; margin-top: 1.25rem; }
nav ol, nav ul { columns: 22rem; column-gap: 3rem; padding-left: 2rem; margin: .5rem 0; }
nav ul { list-style: none; padding-left: 0; }
nav li { break-inside: avoid; margin: .2rem 0; }
section { border-top: 2px solid var(--line); padding: 1.75rem 0; }
.summary { font-size: 1.15rem; }
sup, sub { font-size: .72em; line-height: 0; }
.equations { margin: 1rem 0; padding: .75rem 1rem; background: var(--panel); border-left: 4px solid var(--accent);
  font-size: 1.1rem; line-height: 1.9; overflow-x: auto; }
.term { display: inline-block; max-width: 100%; }
.exercise { margin: 1.25rem 0 0; padding: .75rem 1rem; border-left: 4px solid var(--line); }
aside { margin: 1rem 0; padding: .75rem 1rem; background: var(--mistake-panel); border-left: 4px solid var(--mistake); }
aside p { margin: .25rem 0 0; }
figure { margin: 0; }
img { display: block; width: 100%; max-width: 34rem; height: auto; background: #fff; border-radius: 4px; }
figcaption { margin-top: .5rem; color: var(--soft); }
table { border-collapse: collapse; margin: 1rem 0 .5rem; max-width: 60rem; font-size: .95rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
th, td { overflow-wrap: break-word; }
th, td { text-align: left; vertical-align: top; padding: .2rem .75rem .2rem 0; border-top: 1px solid var(--line); }
th { font-weight: 400; color: var(--soft); }
td { font-variant-numeric: tabular-nums; min-width: 6rem; }
tr.mistake th, tr.mistake td { color: var(--mistake); }
code { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; }
.command code { background: var(--panel); padding: .2rem .5rem; }
.command span { white-space: nowrap; }
.command code::before { content: "$ "; color: var(--soft); }
details pre { background: var(--panel); padding: .75rem; font-size: .85rem; line-height: 1.45; white-space: pre-wrap; }
summary { cursor: pointer; color: var(--accent); }
@media (min-width: 60rem) {
  .sides { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); grid-template-rows: auto 1fr;
    column-gap: 2.5rem; }
  .result { grid-column: 2; grid-row: 1 / span 2; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --panel: #fff; --line: #bbb;
    --accent: #004a80; --mistake: #803800; --mistake-panel: #fff; }
  html { font-size: 9.5pt; }
  body { font-size: 1rem; }
  header, main { max-width: none; padding: 0; }
  section { break-before: page; border-top: 0; padding: 0; }
  .sides { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); grid-template-rows: auto 1fr;
    column-gap: 1.5rem; }
  .result { grid-column: 2; grid-row: 1 / span 2; }
  img, table, aside, .equations, .exercise { break-inside: avoid; }
  details { display: none; }
  a { color: inherit; text-decoration: none; }
}
"""
