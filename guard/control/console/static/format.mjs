// Numbers, times and words as people read them. Pure.

export const RUNGS = ["model", "previous", "cached", "rules", "disabled"];

export function ago(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

export function utc(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function share(part, whole) {
  if (!whole) return "–";
  const value = (100 * part) / whole;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value > 99.9 && value < 100) return "> 99.9 %";
  return `${value >= 10 || value === 0 ? Math.round(value * 10) / 10 : value.toFixed(1)} %`;
}

export function count(value) {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, " ");
}

export function seconds(value) {
  if (value === Infinity || value === "inf") return "> 10 s";
  return value < 1 ? `${Math.round(value * 1e5) / 100} ms` : `${value} s`;
}

// The upper bound below which a share of the counts lies; counts by bound as text.
export function quantile(byBound, wanted) {
  const bounds = Object.keys(byBound).map((text) => [text === "inf" ? Infinity : Number(text), byBound[text]]);
  bounds.sort((a, b) => a[0] - b[0]);
  const total = bounds.reduce((sum, [, n]) => sum + n, 0);
  let below = 0;
  for (const [bound, n] of bounds) {
    below += n;
    if (total && below >= wanted * total) return bound;
  }
  return NaN;
}

export const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
