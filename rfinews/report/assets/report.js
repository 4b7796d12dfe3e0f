/* Draws the charts of the report from the data beside it, in the page's own colours. */
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const number = new Intl.NumberFormat("en-GB");
  const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  const MARKS = [
    MINUTE, 3 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY,
    30 * DAY, 100 * DAY, 365 * DAY, 1095 * DAY, 3650 * DAY, 10950 * DAY,
  ];

  const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const sum = (values) => values.reduce((total, value) => total + (value || 0), 0);

  function span(seconds) {
    const minutes = Math.round(seconds / MINUTE);
    if (minutes < 90 && minutes !== 60) return `${minutes} min`;
    if (seconds < 10 * HOUR) return `${Math.round(seconds / HOUR * 10) / 10} h`;
    if (seconds < 2 * DAY) return `${Math.round(seconds / HOUR)} h`;
    if (seconds < 730 * DAY) return `${Math.round(seconds / DAY)} days`;
    return `${Math.round(seconds / DAY / 36.5) / 10} years`;
  }
  const say = (chart, value) =>
    chart.kind === "delays" ? span(value) : number.format(value);

  /* The column or bar that is looked at, behind the data. */
  const cursor = {
    id: "cursor",
    beforeDatasetsDraw(drawn) {
      const active = drawn.tooltip.getActiveElements();
      if (!active.length) return;
      const { ctx, chartArea: area, scales } = drawn;
      const axis = drawn.options.indexAxis === "y" ? scales.y : scales.x;
      const middle = axis.getPixelForValue(active[0].index);
      const count = drawn.data.labels.length;
      const width = Math.max((axis.isHorizontal() ? area.width : area.height) / count, 3);
      ctx.save();
      ctx.fillStyle = color("none-wash");
      if (axis.isHorizontal()) ctx.fillRect(middle - width / 2, area.top, width, area.height);
      else ctx.fillRect(area.left, middle - width / 2, area.width, width);
      ctx.restore();
    },
  };

  /* What a line is, where it ends; how many a bar stands for, where it ends. */
  const labels = {
    id: "labels",
    afterDatasetsDraw(drawn) {
      const chart = drawn.source;
      const { ctx, chartArea: area } = drawn;
      ctx.save();
      ctx.font = `${drawn.fontSize}px ${Chart.defaults.font.family}`;
      ctx.textBaseline = "middle";
      ctx.fillStyle = color("ink");
      if (chart.kind === "bars") {
        const values = chart.series[0].values;
        const total = sum(values);
        drawn.getDatasetMeta(0).data.forEach((bar, at) => {
          if (!values[at]) return;
          const share = Math.round(100 * values[at] / total);
          const text = `${number.format(values[at])} (${share < 1 ? "<1" : share} %)`;
          ctx.fillText(text, bar.x + 6, bar.y);
        });
      } else if (chart.kind === "delays") {
        let lowest = -Infinity;
        chart.series.forEach((series, at) => {
          const last = series.values.findLastIndex((value) => value !== null);
          if (last < 0) return;
          const point = drawn.getDatasetMeta(at).data[last];
          const y = Math.max(point.y, lowest + drawn.fontSize + 2);
          lowest = y;
          ctx.fillText(series.name, Math.min(point.x + 6, area.right + 6), y);
        });
      }
      ctx.restore();
    },
  };

  function dataset(chart, series, at) {
    const own = color(`c${series.color}`);
    // Of nothing there is no bar, not even a short one.
    const values = chart.kind === "bars" ? series.values.map((value) => value || null) : series.values;
    const common = { label: series.name, data: values, hidden: series.is_hidden };
    if (chart.kind !== "delays") {
      const isFine = chart.labels.length > 90 || chart.kind === "bars";
      return {
        ...common,
        backgroundColor: own,
        hoverBackgroundColor: own,
        borderColor: color("ground"),
        hoverBorderColor: color("ground"),
        borderWidth: isFine ? 0 : { top: 1 },
        borderSkipped: false,
        barPercentage: isFine ? 1 : 0.92,
        categoryPercentage: chart.labels.length > 90 ? 1 : 0.86,
        maxBarThickness: 32,
        minBarLength: chart.kind === "stack" ? 0 : 2,
      };
    }
    const isAlone = (context) => {
      const value = (index) => series.values[index] ?? null;
      const { dataIndex: index } = context;
      return value(index - 1) === null && value(index + 1) === null;
    };
    const isEdge = series.color === 5;
    return {
      ...common,
      borderColor: own,
      backgroundColor: `rgba(${color("heat")}, 0.14)`,
      pointBackgroundColor: own,
      pointBorderWidth: 0,
      pointRadius: (context) => (isAlone(context) ? 3 : 0),
      pointHoverRadius: 4,
      borderWidth: isEdge ? 0 : series.color === 1 ? 2.5 : 1.5,
      borderDash: series.color === 2 ? [5, 4] : [],
      fill: isEdge && at === 1 ? 3 : false,
      tension: 0,
    };
  }

  function options(chart, fontSize) {
    const soft = color("soft"), line = color("line");
    const ticks = { color: soft, font: { size: fontSize } };
    const title = { display: true, text: chart.axis, color: soft, font: { size: fontSize } };
    const values = { ticks, title, grid: { color: line }, border: { display: false } };
    const names = { ticks, grid: { display: false }, border: { color: line } };
    let scales;
    if (chart.kind === "bars") {
      names.ticks = { ...ticks, autoSkip: false };
      values.ticks = { ...ticks, precision: 0, maxTicksLimit: 6, maxRotation: 0, callback: (value) => whole.format(value) };
      // The numbers stand beside the bars.
      scales = { x: { ...values, beginAtZero: true, grid: { display: false } }, y: names };
    } else {
      names.ticks = { ...ticks, maxRotation: 0, autoSkip: true, autoSkipPadding: 18 };
      if (chart.kind === "stack") {
        names.stacked = values.stacked = true;
        values.beginAtZero = true;
        values.ticks = { ...ticks, precision: 0, maxTicksLimit: 6, callback: (value) => whole.format(value) };
      } else {
        names.offset = true; // as bars have it
        const all = chart.series.flatMap((series) => series.values).filter((value) => value !== null);
        const low = MARKS.findLast((mark) => mark <= Math.min(...all)) ?? MARKS[0];
        const high = MARKS.find((mark) => mark >= Math.max(...all)) ?? MARKS.at(-1);
        Object.assign(values, {
          type: "logarithmic",
          min: low,
          max: high > low ? high : MARKS[MARKS.indexOf(low) + 1],
          afterBuildTicks: (axis) => {
            const marks = MARKS.filter((mark) => mark >= axis.min && mark <= axis.max);
            const step = Math.ceil(marks.length / 8);
            axis.ticks = marks.filter((_, at) => at % step === 0).map((value) => ({ value }));
          },
          ticks: { ...ticks, autoSkip: false, callback: span },
        });
      }
      scales = { x: names, y: values };
    }
    return {
      indexAxis: chart.kind === "bars" ? "y" : "x",
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false, axis: chart.kind === "bars" ? "y" : "x" },
      layout: { padding: { right: { bars: 78, delays: 38, stack: 0 }[chart.kind], top: 6 } },
      scales,
      plugins: {
        legend: { display: false },
        tooltip: {
          backgroundColor: color("ground"),
          borderColor: color("none"),
          borderWidth: 1,
          titleColor: color("ink"),
          bodyColor: color("ink"),
          footerColor: color("ink"),
          padding: 10,
          cornerRadius: 4,
          boxPadding: 5,
          displayColors: chart.series.length > 1,
          filter: (item) => item.raw !== null && (chart.kind !== "stack" || item.raw > 0),
          itemSort: (one, other) => (chart.kind === "stack" ? other.datasetIndex - one.datasetIndex : 0),
          callbacks: {
            title: (items) => (items.length ? chart.names[items[0].dataIndex] : ""),
            label: (item) => `${item.dataset.label}: ${say(chart, item.raw)}`,
            labelColor: (item) => {
              const own = color(`c${chart.series[item.datasetIndex].color}`);
              return { backgroundColor: own, borderColor: own };
            },
            footer: (items) =>
              chart.kind === "stack" && items.length > 1
                ? `${number.format(sum(items.map((item) => item.raw)))} ${chart.unit}`
                : "",
          },
        },
      },
    };
  }

  function sentence(chart, at) {
    const parts = chart.series
      .filter((series) => !series.is_hidden && series.values[at] !== null)
      .filter((series) => chart.kind !== "stack" || series.values[at])
      .map((series) => (chart.series.length > 1 ? `${series.name} ` : "") + say(chart, series.values[at]));
    const total = chart.kind === "stack"
      ? `; ${number.format(sum(chart.series.filter((series) => !series.is_hidden).map((series) => series.values[at])))} ${chart.unit} in all`
      : ` ${chart.unit}`;
    return parts.length ? `${chart.names[at]}: ${parts.join(", ")}${total}` : `${chart.names[at]}: none`;
  }

  /* Left and right (or up and down) look at one day after the other, Escape at none. */
  function walk(chart, canvas, spoken) {
    let at = -1;
    const look = (index) => {
      at = index;
      const drawn = chart.drawn;
      const active = at < 0 ? [] : chart.series
        .map((series, datasetIndex) => ({ datasetIndex, index: at }))
        .filter(({ datasetIndex }) => drawn.isDatasetVisible(datasetIndex));
      const point = active.length ? drawn.getDatasetMeta(active[0].datasetIndex).data[at] : { x: 0, y: 0 };
      drawn.setActiveElements(active);
      drawn.tooltip.setActiveElements(active, { x: point.x, y: point.y });
      drawn.update("none");
      spoken.textContent = at < 0 ? "" : sentence(chart, at);
    };
    canvas.addEventListener("keydown", (event) => {
      const last = chart.labels.length - 1;
      const start = chart.kind === "bars" ? 0 : last;
      const next = {
        ArrowLeft: at < 0 ? start : Math.max(at - 1, 0),
        ArrowRight: at < 0 ? start : Math.min(at + 1, last),
        Home: 0,
        End: last,
        Escape: -1,
      };
      next.ArrowUp = next.ArrowLeft;
      next.ArrowDown = next.ArrowRight;
      if (!(event.key in next) || event.altKey || event.ctrlKey || event.metaKey) return;
      if ((event.key === "ArrowUp" || event.key === "ArrowDown") && chart.kind !== "bars") return;
      event.preventDefault();
      look(next[event.key]);
    });
    canvas.addEventListener("blur", () => look(-1));
  }

  function legend(chart) {
    const place = document.getElementById(`${chart.id}-legend`);
    if (chart.kind !== "stack" || chart.series.length < 2) return;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", "Show or hide");
    chart.series.forEach((series, at) => {
      const button = document.createElement("button");
      const name = document.createElement("span");
      name.textContent = series.name;
      button.type = "button";
      button.className = `k${series.color}`;
      button.append(name);
      button.setAttribute("aria-pressed", String(!series.is_hidden));
      button.addEventListener("click", () => {
        series.is_hidden = !series.is_hidden;
        button.setAttribute("aria-pressed", String(!series.is_hidden));
        chart.drawn.setDatasetVisibility(at, !series.is_hidden);
        chart.drawn.update("none");
      });
      place.append(button);
    });
  }

  function prepare(chart) {
    const canvas = document.createElement("canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    const caption = document.querySelector(`figure:has(#${chart.id}-chart) figcaption`);
    canvas.setAttribute("aria-label", `Chart: ${caption.textContent}. Arrow keys read it; its numbers are in the table below.`);
    document.getElementById(`${chart.id}-chart`).append(canvas);
    walk(chart, canvas, document.getElementById(`${chart.id}-spoken`));
    legend(chart);
    chart.canvas = canvas;
  }

  function draw() {
    const fontSize = innerWidth < 640 ? 11 : 12;
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = fontSize;
    for (const chart of data.charts) {
      chart.drawn?.destroy();
      chart.drawn = new Chart(chart.canvas, {
        type: chart.kind === "delays" ? "line" : "bar",
        data: { labels: chart.labels, datasets: chart.series.map((series, at) => dataset(chart, series, at)) },
        options: options(chart, fontSize),
        plugins: [cursor, { ...labels, beforeInit: (drawn) => Object.assign(drawn, { source: chart, fontSize }) }],
      });
    }
  }

  function crawls() {
    const label = document.getElementById("filter");
    if (!label) return;
    label.hidden = false;
    const box = document.getElementById("only-not-ok");
    const rows = document.querySelectorAll(".crawls tbody tr");
    const show = () => {
      for (const row of rows) {
        const isWell = row.dataset.state === "ok" || row.dataset.state === "running";
        row.hidden = box.checked ? isWell : "older" in row.dataset;
      }
    };
    box.addEventListener("change", show);
    show();
  }

  function age() {
    const place = document.getElementById("age");
    const seconds = Date.now() / 1000 - data.made;
    place.hidden = seconds < DAY;
    if (seconds >= DAY) place.textContent = `, ${span(seconds)} ago`;
  }

  data.charts.forEach(prepare);
  draw();
  crawls();
  age();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => { root.classList.add("light"); draw(); });
  addEventListener("afterprint", () => { root.classList.remove("light"); draw(); });
})();
