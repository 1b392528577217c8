// Looks at the page again every few seconds, and changes what has changed.
// Flower's own script refreshes the list of workers at "/", where our first page stands.
window.autorefresh = 0;

(function () {
    "use strict";

    var KEY = "sluicegate-every";
    var place = document.getElementById("sluicegate");
    var fresh = document.getElementById("sg-fresh");
    var every = document.getElementById("sg-every");
    var timer = 0, asked = false, since = new Date();

    function clock(time) {
        return time.toLocaleTimeString();
    }

    // Only what differs is touched, so that focus, selection and what a reader hears stay.
    function morph(old, next) {
        if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) {
            old.replaceWith(next.cloneNode(true));
            return;
        }
        if (old.dataset && old.dataset.same && old.dataset.same === next.dataset.same) { return; }
        if (old.nodeType !== Node.ELEMENT_NODE) {
            if (old.nodeValue !== next.nodeValue) { old.nodeValue = next.nodeValue; }
            return;
        }
        Array.from(old.attributes).forEach(function (one) {
            if (one.name !== "open" && !next.hasAttribute(one.name)) { old.removeAttribute(one.name); }
        });
        Array.from(next.attributes).forEach(function (one) {
            if (one.name !== "open" && old.getAttribute(one.name) !== one.value) {
                old.setAttribute(one.name, one.value);
            }
        });
        var olds = Array.from(old.childNodes), nexts = Array.from(next.childNodes);
        nexts.forEach(function (child, at) {
            if (at < olds.length) { morph(olds[at], child); } else { old.append(child.cloneNode(true)); }
        });
        olds.slice(nexts.length).forEach(function (child) { child.remove(); });
    }

    function show(answer) {
        var next = document.createElement(place.nodeName);
        next.id = place.id;
        next.innerHTML = answer.html;
        next.querySelectorAll("[data-same]:empty").forEach(function (one) {  // what we have already
            var had = place.querySelector('[data-same="' + one.dataset.same + '"]');
            if (had) { one.append.apply(one, had.cloneNode(true).childNodes); }
        });
        morph(place, next);
        since = new Date();
        fresh.className = "";
        fresh.textContent = "As of " + clock(since) + ".";
    }

    function stale() {
        fresh.className = "sg-stale";
        fresh.textContent = "No answer since " + clock(since) + ": what you see is old.";
    }

    function look() {
        if (document.hidden || asked) { return; }
        if (place.querySelector("form[method=post], input:checked")) {  // rows must not move under a choice
            fresh.textContent = "As it was when you began to choose.";
            return;
        }
        if (place.querySelector(".sg-still")) {  // what an act answered is said once
            fresh.textContent = "As of " + clock(since) + ".";
            return;
        }
        asked = true;
        var where = new URL(location.href);
        where.searchParams.set("as", "look");
        place.querySelectorAll("[data-same]").forEach(function (one) {  // charts: not sent again
            where.searchParams.append("have", one.dataset.same);
        });
        fetch(where, {headers: {Accept: "application/json"}, signal: AbortSignal.timeout(10000)})
            .then(function (response) {
                if (response.status === 401 || response.redirected) { location.reload(); }
                return response.json();
            })
            .then(show)
            .catch(stale)
            .finally(function () { asked = false; });
    }

    function pace() {
        clearInterval(timer);
        var seconds = Number(every.value);
        try { localStorage.setItem(KEY, every.value); } catch (error) { /* a private window */ }
        if (seconds) { timer = setInterval(look, 1000 * seconds); look(); }
    }

    try { every.value = localStorage.getItem(KEY) || "2"; } catch (error) { every.value = "2"; }
    if (every.selectedIndex < 0) { every.value = "2"; }
    every.addEventListener("change", pace);
    document.addEventListener("visibilitychange", function () {
        if (Number(every.value)) { look(); }
    });
    pace();
}());
