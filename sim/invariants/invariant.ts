/** Properties that must hold in every world, with any faults. */
import type { History } from '../history.ts';
import type { HollowKubelet } from '../kubelet.ts';
import type { Change, Model } from '../model.ts';
import type { Network } from '../network.ts';

/** The data that invariants check. */
export interface Witness {
  model: Model;
  network: Network;
  kubelets: ReadonlyMap<string, HollowKubelet>;
  nowMs: () => number;
  /** Number of pods of an owner (by UID) whose create request succeeded but whose answer was lost. The controller may create them again. */
  excuses: (ownerUid: string) => number;
  history<T>(): History<T>;
  /** Whether changes of a resource reached the controllers late within the last {@link History} window. */
  wasBehind: (resource: string) => boolean;
  /** Reports a violation. */
  violated: (invariant: string, what: string) => void;
}

/** One invariant. */
export interface Invariant {
  name: string;
  /** Checks each change right after it happened. */
  changed?: (change: Change) => void;
  /** Checks the whole state after each step. */
  stepped?: () => void;
  /** After the faults have ended: what has not converged yet. Empty when everything has. */
  unmet?: () => Iterable<string>;
}

export type InvariantOf = (witness: Witness) => Invariant;
