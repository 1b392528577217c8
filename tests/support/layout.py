"""What is wrong with how a page lies: text over text, text cut off, what hangs over its side."""

FAULTS = r"""
const found = [], wide = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > wide) { found.push("it scrolls sideways"); }

function hidden(element) {  // also in a closed <details>, and what only screen readers are told
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) {
        return true;
    }
    for (let one = element; one; one = one.parentElement) {
        const style = getComputedStyle(one);
        const clipped = style.clipPath !== "none" || style.clip !== "auto";
        if (clipped && one.getBoundingClientRect().width <= 2) { return true; }
    }
    return false;
}

const boxes = [], words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (words.nextNode()) {
    const node = words.currentNode, text = node.nodeValue.trim();
    if (!text || hidden(node.parentElement)) { continue; }
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
        if (box.width > 1 && box.height > 1) { boxes.push({node, text: text.slice(0, 60), box}); }
    }
}

for (const {node, text, box} of boxes) {
    if (box.left < -1 || box.right > wide + 1) {
        found.push("beyond the page: " + text);
        continue;
    }
    for (let one = node.parentElement; one && one !== document.body; one = one.parentElement) {
        const style = getComputedStyle(one), bounds = one.getBoundingClientRect();
        if (style.overflowX !== "visible" && !(one instanceof SVGElement) &&
            (box.left < bounds.left - 1 || box.right > bounds.right + 1)) {
            found.push("cut off: " + text);
        }
    }
}

boxes.sort((a, b) => a.box.top - b.box.top);
boxes.forEach(function (one, at) {
    for (let next = at + 1; next < boxes.length; next++) {
        const other = boxes[next];
        if (other.box.top >= one.box.bottom - 2) { break; }
        if (other.node === one.node) { continue; }
        const left = Math.max(one.box.left, other.box.left);
        const across = Math.min(one.box.right, other.box.right) - left;
        const down = Math.min(one.box.bottom, other.box.bottom) - other.box.top;
        if (across > 2 && down > 3) { found.push("overlap: " + one.text + " / " + other.text); }
    }
});
return Array.from(new Set(found)).slice(0, 10);
"""
"""JavaScript that returns the faults of the page, each in words."""
