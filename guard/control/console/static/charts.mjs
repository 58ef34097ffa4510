// Lines over time by uPlot. The numbers of a chart also stand in a table below it, for whoever does not see it.
import { html, useEffect, useRef } from "./vendor/preact-htm.mjs";
import uPlot from "./vendor/uplot.mjs";

// Okabe and Ito's colours, which people with any colour vision tell apart; the dash tells them apart without colour.
const DASHES = [[], [6, 3], [2, 2], [10, 3, 2, 3], [4, 2], [1, 3]];

export function colours() {
  const style = getComputedStyle(document.documentElement);
  return [1, 2, 3, 4, 5, 6].map((n) => style.getPropertyValue(`--line-${n}`).trim());
}

const clock = (at) => new Date(at * 1000).toISOString().slice(11, 16);

// One point alone has no width: it gets ten empty minutes before it.
const padded = (times, series) =>
  times.length > 1 ? [times, ...series.map((line) => line.points)] : [[times[0] - 600, times[0]], ...series.map((line) => [null, line.points[0]])];

export function Lines({ title, times, series, unit }) {
  const place = useRef(null);
  const plot = useRef(null);
  const names = series.map((line) => line.name).join("\n");
  useEffect(() => {
    const ink = getComputedStyle(document.documentElement);
    const [text, grid] = ["--soft", "--rule"].map((name) => ink.getPropertyValue(name).trim());
    const stroke = colours();
    const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid } };
    const width = () => Math.max(200, place.current.clientWidth);
    const options = {
      width: width(),
      height: 150,
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
      legend: { show: false },
      cursor: { show: false },
      axes: [{ ...axis, space: 60, values: (_, ticks) => ticks.map(clock) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((v) => `${v}${unit || ""}`) }],
      scales: { x: { range: (_, low, high) => [Math.min(low, high - 600), high] }, y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.05 : 1] } },
      series: [
        {},
        ...series.map((line, n) => ({
          label: line.name,
          stroke: stroke[n % stroke.length],
          dash: DASHES[n % DASHES.length],
          width: 2,
          points: { show: (u, at) => u.data[at].filter((v) => v !== null).length < 3 },
        })),
      ],
    };
    plot.current = new uPlot(options, padded(times, series), place.current);
    const observer = new ResizeObserver(() => plot.current && plot.current.setSize({ width: width(), height: 150 }));
    observer.observe(place.current);
    return () => {
      observer.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [names, unit]);
  useEffect(() => {
    if (plot.current) plot.current.setData(padded(times, series));
  });
  return html`<figure class="chart">
    <figcaption>${title}</figcaption>
    <div ref=${place} class="plot" role="img" aria-label=${`${title}; the numbers are in the table`}></div>
    <ul class="legend">${series.map((line, n) => html`<li key=${line.name}><span class=${`key line-${(n % 6) + 1}`}></span>${line.name}</li>`)}</ul>
  </figure>`;
}
