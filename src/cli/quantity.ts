const SUFFIXES: Readonly<Record<string, number>> = {
  "": 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * A Kubernetes quantity, `250m`, `1Gi`, `1e3`, as a number; null for anything else.
 * Source: k8s.io/apimachinery/pkg/api/resource.
 */
export function parseQuantity(text: string): number | null {
  const [, digits, suffix = ""] = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([A-Za-z]*)$/.exec(text) ?? [];
  const value = Number(digits);
  const factor = SUFFIXES[suffix];
  return digits === undefined || Number.isNaN(value) || factor === undefined
    ? null
    : value * factor;
}
