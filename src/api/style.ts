/**
 * The one stylesheet of the server-rendered pages, served from `/style.css`: no fonts, no images, no third party.
 * Colours keep 4.5:1 for text and 3:1 for what is pressed, in both themes; test/api/style.test.ts computes it.
 */
export const styleSheet = `
:root {
  color-scheme: light dark;
  --page: #f4f5f7;
  --card: #ffffff;
  --text: #16202b;
  --quiet: #52606d;
  --line: #d3d9e0;
  --accent: #0b5cad;
  --accent-text: #ffffff;
  --good: #12633a;
  --good-ground: #e4f4ea;
  --warn: #7a4100;
  --warn-ground: #fdf0dc;
  --bad: #a01c1c;
  --code-ground: #eef1f5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151b;
    --card: #19212a;
    --text: #e8edf2;
    --quiet: #a3b1bf;
    --line: #36424f;
    --accent: #7cb8f5;
    --accent-text: #0d1a27;
    --good: #86d8a8;
    --good-ground: #16301f;
    --warn: #f3c27b;
    --warn-ground: #33260f;
    --bad: #ff9d94;
    --code-ground: #0c1116;
  }
}
* { box-sizing: border-box; }
html { font: 100%/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
body { margin: 0; background: var(--page); color: var(--text); }
a { color: var(--accent); text-underline-offset: 0.15em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 0.5rem; background: var(--card); padding: 0.5rem 1rem; z-index: 1; }
.top { background: var(--card); border-bottom: 1px solid var(--line); }
.top > div { max-width: 72rem; margin: 0 auto; padding: 0.7rem 1rem; display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; align-items: center; }
.brand { font-weight: 650; letter-spacing: 0.01em; color: var(--text); text-decoration: none; display: inline-flex; align-items: center; gap: 0.55rem; }
.brand::before { content: ""; width: 0.95rem; height: 1.15rem; border: 0.2rem solid var(--accent); border-bottom: 0; border-radius: 0.55rem 0.55rem 0 0; }
.gateway { color: var(--quiet); font-size: 0.9rem; overflow-wrap: anywhere; }
.who { margin-left: auto; display: flex; flex-wrap: wrap; gap: 0.25rem 0.9rem; align-items: center; font-size: 0.9rem; overflow-wrap: anywhere; }
.who form { margin: 0; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
main.narrow { max-width: 38rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 0.75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 0.5rem; }
p { margin: 0 0 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.5rem; box-shadow: 0 1px 3px rgb(0 0 0 / 0.06); }
.card > :last-child { margin-bottom: 0; }
.quiet { color: var(--quiet); }
.small { font-size: 0.9rem; }
dl.facts { margin: 0 0 1.25rem; display: grid; grid-template-columns: minmax(6.5rem, max-content) 1fr; border-top: 1px solid var(--line); }
dl.facts > div { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; border-bottom: 1px solid var(--line); padding: 0.5rem 0; column-gap: 1rem; }
dl.facts dt { color: var(--quiet); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
dl.facts.many { display: block; columns: 2 22rem; column-gap: 2.5rem; border: 0; }
dl.facts.many > div { grid-template-columns: 8rem 1fr; break-inside: avoid; }
@media (max-width: 30rem) {
  .card { padding: 1.1rem; }
  dl.facts, dl.facts.many > div { grid-template-columns: 1fr; }
}
.typed { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; unicode-bidi: isolate; }
.note { border-radius: 8px; padding: 0.75rem 1rem; margin: 0 0 1.25rem; border-left: 4px solid; }
.note > :last-child { margin-bottom: 0; }
.note.good { background: var(--good-ground); border-color: var(--good); }
.note.warn { background: var(--warn-ground); border-color: var(--warn); }
.note strong { display: block; }
.note.good strong { color: var(--good); }
.note.warn strong { color: var(--warn); }
.actions { display: flex; flex-wrap: wrap; gap: 0.75rem; margin: 0 0 1rem; }
.button { font: inherit; font-weight: 600; display: inline-block; min-height: 2.75rem; padding: 0.55rem 1.25rem; border-radius: 8px; border: 1px solid var(--accent); background: var(--accent); color: var(--accent-text); cursor: pointer; text-decoration: none; text-align: center; }
.button.second { background: transparent; color: var(--text); border-color: var(--quiet); }
.button.deny { background: transparent; color: var(--bad); border-color: var(--bad); }
.button.plain { background: none; border: 0; padding: 0.25rem 0; min-height: 1.75rem; color: var(--accent); text-decoration: underline; font-weight: 400; font-size: 0.9rem; }
.code { display: block; margin: 0.5rem 0 1.25rem; padding: 1rem 0.5rem; background: var(--code-ground); border: 1px solid var(--line); border-radius: 10px; text-align: center; font: 700 clamp(1.75rem, 9vw, 3rem)/1.2 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; letter-spacing: 0.06em; user-select: all; overflow-wrap: anywhere; }
.code.long { font-size: clamp(1rem, 3.2vw, 1.25rem); letter-spacing: 0; }
.command { display: block; margin: 0 0 1rem; padding: 0.6rem 0.75rem; background: var(--code-ground); border: 1px solid var(--line); border-radius: 8px; font: 0.875rem/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; user-select: all; }
.card.place { margin: 0 0 1rem; }
.card.place h2 { margin: 0 0 0.5rem; }
label { display: block; font-weight: 600; margin: 0 0 0.25rem; }
label.tick { font-weight: 400; }
input[type=text], input[type=password] { font: inherit; width: 100%; padding: 0.6rem 0.75rem; margin: 0 0 1rem; border: 1px solid var(--quiet); border-radius: 8px; background: var(--page); color: var(--text); }
.table { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.6rem 0.9rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-size: 0.85rem; color: var(--quiet); font-weight: 600; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
td { overflow-wrap: anywhere; }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
@media (max-width: 44rem) {
  table, tbody, tr, td { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tbody tr { padding: 0.6rem 0.9rem; border-bottom: 1px solid var(--line); }
  tbody tr:last-child { border-bottom: 0; }
  td { border: 0; padding: 0.1rem 0; }
  td::before { content: attr(data-label) ": "; color: var(--quiet); }
}
.state { display: inline-block; padding: 0 0.5rem; border-radius: 999px; border: 1px solid currentcolor; font-size: 0.85rem; }
.state.open { color: var(--good); }
.state.interrupted { color: var(--warn); }
pre.transcript { margin: 0 0 1.25rem; padding: 1rem; background: var(--code-ground); border: 1px solid var(--line); border-radius: 10px; font: 0.875rem/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; direction: ltr; unicode-bidi: bidi-override; }
mark { background: var(--warn-ground); color: var(--warn); border-radius: 3px; padding: 0 0.15em; }
footer { max-width: 72rem; margin: 0 auto; padding: 0 1rem 2rem; color: var(--quiet); font-size: 0.85rem; }
footer.narrow { max-width: 38rem; }
`
