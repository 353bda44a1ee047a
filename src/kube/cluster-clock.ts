/** What a driver that talks to the API server knows of time. */
export type ClusterClock = {
  /** Never steps; ms. */
  monoMs(): number;
  /** For what others read; Unix ms. */
  wallMs(): number;
};
