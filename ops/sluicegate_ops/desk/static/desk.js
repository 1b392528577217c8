// What the desk's pages do beyond what a browser does by itself; each works without it.
(function () {
    "use strict";

    // A page that shows work under way looks again by itself.
    var under = document.querySelector("[data-again-ms]");
    if (under) {
        setTimeout(function () { location.reload(); }, Number(under.dataset.againMs));
    }

    // A text is counted while it is written: by the server, with the rule that bills it.
    var text = document.querySelector("[data-count]");
    if (text) {
        var shown = document.getElementById(text.dataset.shows), timer = 0;
        text.addEventListener("input", function () {
            clearTimeout(timer);
            timer = setTimeout(function () {
                var form = new URLSearchParams({text: text.value, _xsrf: text.form.elements._xsrf.value});
                fetch(text.dataset.count, {method: "POST", body: form})
                    .then(function (response) { return response.json(); })
                    .then(function (answer) { shown.textContent = answer.said; })
                    .catch(function () { shown.textContent = ""; });
            }, 250);
        });
    }
}());
