/** What every answer has. */
import { createHash } from 'node:crypto';
import type { Store } from '../store.ts';

/** What every answer begins with. */
export interface Header {
  clusterId: number;
  memberId: number;
  revision: number;
  raftTerm: number;
}

/** Makes the headers of answers. */
export class Answers {
  readonly #store: Pick<Store, 'currentRevision'>;
  readonly clusterId: number;
  readonly memberId: number;

  /** @param name what tells this store from others, its path: the numbers stay the same when it is opened again */
  constructor(store: Pick<Store, 'currentRevision'>, name: string) {
    this.#store = store;
    this.clusterId = numberOf(`cluster ${name}`);
    this.memberId = numberOf(`member ${name}`);
  }

  /** @param revision of the answer; absent: the newest */
  async header(revision?: number): Promise<Header> {
    return this.at(revision ?? (await this.#store.currentRevision()));
  }

  at(revision: number): Header {
    return { clusterId: this.clusterId, memberId: this.memberId, revision, raftTerm: 1 };
  }
}

/** Not 0, and exact as a number. */
const numberOf = (name: string): number => 1 + createHash('sha256').update(name).digest().readUIntBE(0, 6);
