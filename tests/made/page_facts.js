({ // what tests/made/page_facts.py asks of a page; evaluated in the browser
// Every element with text of its own whose colour stands too little out from what is
// behind it. The formula is that of WCAG 2.2, 1.4.3; see-through colours are mixed.
pale() {
  const parsed = text => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const linear = v => v <= 10.31475 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement)
      layers.push(parsed(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce(
      (under, over) => under.map((v, i) => v * (1 - over.a) + over.rgb[i] * over.a), [255, 255, 255]);
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName)) continue;
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element), text = parsed(style.color), under = behind(element);
    const mixed = under.map((v, i) => v * (1 - text.a) + text.rgb[i] * text.a);
    const [light, dark] = [luminance(mixed), luminance(under)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) found.push(element.textContent.trim().slice(0, 40) + " " + ratio.toFixed(2));
  }
  return found;
},

// Pictures and controls that a screen reader has no words for.
nameless() {
  const named = e => (e.getAttribute("aria-label") || e.alt || [...(e.labels || [])].map(l => l.textContent).join("")
    || (e.getAttribute("aria-labelledby") || "").split(" ").map(id => document.getElementById(id)?.textContent).join("")
    || (["BUTTON", "A", "SUMMARY"].includes(e.tagName) && e.textContent) || "").trim();
  return [...document.querySelectorAll("img, canvas, svg, input, select, button, a, summary, [role=img]")]
    .filter(e => !e.closest("noscript") && !named(e) && e.getAttribute("aria-hidden") !== "true")
    .map(e => e.outerHTML.slice(0, 80));
},

// What the Tab key must reach: of radio buttons the one that is checked stands for all.
controls() {
  const all = [...document.querySelectorAll("select, button, a[href], summary, input, [tabindex='0']")];
  const wanted = all.filter(e => e.checkVisibility() && !e.disabled && (e.type !== "radio" || e.checked));
  wanted.forEach((e, i) => e.dataset.tab = i);
  return wanted.length;
},

// Which of these has the focus, and whether that can be seen.
focused() {
  const e = document.activeElement, style = getComputedStyle(e);
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return [e.dataset.tab ?? null, seen];
},

})
