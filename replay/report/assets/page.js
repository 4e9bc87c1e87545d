(function () {
  "use strict";
  var charts = JSON.parse(document.getElementById("data").textContent);
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var utc = function (s) { return uPlot.tzDate(new Date(s * 1e3), "Etc/UTC"); };

  function css(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function text(value, unit) {
    if (value == null) return "–";
    var size = Math.abs(value);
    var places = unit === "%" ? 1 : size >= 1000 ? 0 : size >= 10 ? 2 : size >= 0.1 || !size ? 3 : 6;
    if (unit === "") places = 0;
    var shown = value.toLocaleString("en-US", { maximumFractionDigits: places });
    return unit ? shown + " " + unit : shown;
  }

  function axisText(value) {
    return value == null ? "" : value.toLocaleString("en-US", { maximumSignificantDigits: 7 });
  }

  function times(u, splits, axis, space, step) {
    var day = "";
    return splits.map(function (s) {
      var iso = new Date(Math.round(s * 1e3)).toISOString(), date = iso.slice(0, 10);
      var clock = step < 1 ? iso.slice(14, 23) : step < 60 ? iso.slice(11, 19) : iso.slice(11, 16);
      if (step >= 86400) return date;
      var shown = date === day ? clock : clock + "\n" + date;
      day = date;
      return shown;
    });
  }

  function options(chart, width) {
    var named = chart.kind !== "time";
    var ink = css("--soft"), grid = { stroke: css("--line"), width: 1 };
    var font = "12px system-ui, sans-serif";
    var count = named ? chart.labels.length : 0;
    var every = Math.max(1, Math.ceil(count * (chart.kind === "bars" ? 64 : 46) / Math.max(width - 70, 64)));
    var x = { stroke: ink, font: font, grid: { show: false }, ticks: grid, size: named ? 30 : 46 };
    x.values = times;
    if (named) {
      x.splits = function () {
        return chart.labels.map(function (_, i) { return i; });
      };
      x.values = function (u, splits) {
        return splits.map(function (i) { return i % every ? "" : chart.labels[i]; });
      };
      x.ticks = { show: false };
    }
    var series = chart.series.map(function (one, i) {
      var colour = css("--c" + (i % 7));
      var out = {
        label: one.label, stroke: colour, width: 1.75, spanGaps: false,
        value: function (u, v) { return text(v, chart.unit); }
      };
      if (chart.kind === "bars") {
        out.paths = uPlot.paths.bars({ size: [0.8, 90] });
        out.fill = colour; out.width = 0; out.points = { show: false };
      } else if (chart.kind === "curve") {
        out.points = { show: true, size: 7, fill: colour };
      } else {
        if (chart.step) out.paths = uPlot.paths.stepped({ align: 1 });
        out.points = { show: one.values.length < 3, size: 5, fill: colour };
        if (i === 0 && chart.series.length > 2) out.width = 2.5;
      }
      return out;
    });
    return {
      width: width, height: chart.kind === "time" ? 260 : 220, tzDate: utc,
      scales: {
        x: named ? { time: false, range: [-0.5, count - 0.5] } : { time: true },
        y: chart.range ? { range: chart.range } : chart.kind === "bars" ?
          { range: function (u, low, high) { return [0, Math.max(1, high * 1.1)]; } } : {}
      },
      axes: [x, {
        stroke: ink, font: font, grid: grid, ticks: grid,
        size: function (u, values) {
          var longest = (values || []).reduce(function (n, v) { return Math.max(n, v.length); }, 0);
          return Math.max(38, longest * 7 + 16);
        },
        values: function (u, splits) { return splits.map(axisText); }
      }],
      series: [{
        label: named ? "after" : "UTC",
        value: function (u, v) {
          if (v == null) return "–";
          if (named) return chart.labels[v];
          return new Date(v * 1e3).toISOString().replace("T", " ").slice(0, 19);
        }
      }].concat(series),
      legend: { show: chart.kind !== "bars" },
      cursor: { points: { size: 6 }, drag: { x: !named, y: false } }
    };
  }

  function draw(id) {
    var box = document.getElementById(id), chart = charts[id];
    var x = chart.kind === "time" ? chart.x : chart.labels.map(function (_, i) { return i; });
    var data = [x].concat(chart.series.map(function (one) { return one.values; }));
    box.textContent = "";
    box.plot = new uPlot(options(chart, box.clientWidth), data, box);
    box.drawn = box.clientWidth;
  }

  function all() { Object.keys(charts).forEach(draw); }

  var waiting = 0;
  window.addEventListener("resize", function () {
    clearTimeout(waiting);
    waiting = setTimeout(function () {
      Object.keys(charts).forEach(function (id) {
        var box = document.getElementById(id);
        if (box.drawn !== box.clientWidth) draw(id);
      });
    }, 120);
  });
  dark.addEventListener("change", all);
  all();
})();
