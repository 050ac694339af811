(function () {
  "use strict";
  var root = document.documentElement, tip = document.getElementById("tip");
  document.getElementById("theme").addEventListener("click", function () {
    var dark = root.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.style.colorScheme = dark === "dark" ? "light" : "dark";
  });
  document.querySelectorAll("main [data-tip]").forEach(function (element) {
    function move(event) {
      tip.textContent = element.dataset.tip;
      tip.hidden = false;
      tip.style.left = Math.max(8, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)) + "px";
      tip.style.top = Math.max(8, Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)) + "px";
    }
    element.addEventListener("mousemove", move);
    element.addEventListener("mouseleave", function () { tip.hidden = true; });
  });
  var table = document.getElementById("layers");
  if (!table) { return; }
  table.querySelectorAll("th").forEach(function (head, column) {
    var down = false;
    head.addEventListener("click", function () {
      var body = table.tBodies[0], number = head.dataset.sort === "number";
      down = !down;
      Array.from(body.rows).sort(function (a, b) {
        var x = a.cells[column], y = b.cells[column];
        var order = number ? y.dataset.value - x.dataset.value : x.textContent.localeCompare(y.textContent);
        return down ? order : -order;
      }).forEach(function (row) { body.appendChild(row); });
    });
  });
})();
