/** What must hold in every world, whatever goes wrong in it. */
import type { History } from '../history.ts';
import type { HollowKubelet } from '../kubelet.ts';
import type { Change, Model } from '../model.ts';
import type { Network } from '../network.ts';

/** What invariants look at. */
export interface Witness {
  model: Model;
  network: Network;
  kubelets: ReadonlyMap<string, HollowKubelet>;
  nowMs: () => number;
  /** How many pods of an owner (by UID) were created by requests whose answer nobody got: its controller may create them again. */
  excuses: (ownerUid: string) => number;
  history<T>(): History<T>;
  /** Whether changes of a resource came late to the controllers within the memory of {@link History}. */
  wasBehind: (resource: string) => boolean;
  /** Tells of a violation. */
  violated: (invariant: string, what: string) => void;
}

/** One invariant. */
export interface Invariant {
  name: string;
  /** Looks at each change right after it has happened. */
  changed?: (change: Change) => void;
  /** Looks at the whole after each step. */
  stepped?: () => void;
  /** What is not yet as it should be, once nothing goes wrong any more; empty: all is as it should be. */
  unmet?: () => Iterable<string>;
}

export type InvariantOf = (witness: Witness) => Invariant;
