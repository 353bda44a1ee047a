/** A death that was declared: when this machine heard of it, and by what proof. */
export type Declared = { readonly atMs: number; readonly kind: string; readonly detail: string };

/** A death under way. */
export type Fencing = {
  readonly requestedMs: number;
  /** The boot that was there when it was asked for. */
  readonly bootId: string;
  /** When the message came to stand on the disk. */
  readonly durable: (boundMs: number) => Promise<number>;
  /** When the fencer itself said that a message of its own, or one it joined, is durable. */
  readonly confirmed: (boundMs: number) => Promise<number>;
  readonly declared: (boundMs: number) => Promise<Declared>;
  /** Nothing is waited for. */
  readonly declaredYet: () => Declared | undefined;
};

/** What gives an order, and is heard of later. */
export type Ordered = {
  readonly confirmed: Promise<number>;
  readonly declared: Promise<Declared>;
  readonly declaredYet: () => Declared | undefined;
};
