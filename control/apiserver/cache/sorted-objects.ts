/**
 * Cached objects in key order. They stand in leaves; a leaf is never changed, a change replaces it by another. So an iteration sees the
 * state of the moment when it began, however long it takes, and shares all leaves that have not changed since.
 *
 * Source: apiserver `pkg/storage/cacher/store_btree.go` (the same on a B-tree that is cloned).
 */
import type { CachedObject } from './cached-object.ts';

type Leaf = readonly CachedObject[];

const maxLeaf = 256;

/** A map from key to object, in key order. */
export class SortedObjects {
  readonly #byKey = new Map<string, CachedObject>();
  #leaves: readonly Leaf[] = [];

  /** Of several objects with the same key the last one stays. */
  constructor(objects: Iterable<CachedObject> = []) {
    for (const object of objects) this.#byKey.set(object.key, object);
    const sorted = [...this.#byKey.values()].sort((a, b) => byteOrder(a.key, b.key));
    this.#leaves = Array.from({ length: Math.ceil(sorted.length / maxLeaf) }, (_, index) =>
      sorted.slice(index * maxLeaf, (index + 1) * maxLeaf),
    );
  }

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): CachedObject | undefined {
    return this.#byKey.get(key);
  }

  set(object: CachedObject): void {
    const { key } = object;
    const at = this.#leafOf(key);
    const leaf = this.#leaves[at] ?? [];
    const index = lowerBound(leaf, key);
    const isKnown = this.#byKey.has(key);
    this.#byKey.set(key, object);
    const changed = leaf.toSpliced(index, isKnown ? 1 : 0, object);
    const half = changed.length >> 1;
    // Keys that come in order, as generated names and revisions do, fill their leaves.
    const isAppended = index === leaf.length && at >= this.#leaves.length - 1;
    const parts =
      changed.length <= maxLeaf ? [changed] : isAppended ? [leaf, [object]] : [changed.slice(0, half), changed.slice(half)];
    this.#leaves = this.#leaves.toSpliced(at, this.#leaves.length === 0 ? 0 : 1, ...parts);
  }

  delete(key: string): void {
    if (!this.#byKey.delete(key)) return;
    const at = this.#leafOf(key);
    const leaf = this.#leaves[at] ?? [];
    const rest = leaf.toSpliced(lowerBound(leaf, key), 1);
    this.#leaves = rest.length === 0 ? this.#leaves.toSpliced(at, 1) : this.#leaves.with(at, rest);
  }

  /** The objects whose key begins with `prefix`, from `startKey` on, as they are now: later changes do not show. */
  range(prefix: string, startKey = prefix): Generator<CachedObject> {
    return walk(this.#leaves, this.#leafOf(startKey), prefix, startKey);
  }

  /** The leaf where `key` is or belongs: the last that does not begin after it. */
  #leafOf(key: string): number {
    let [low, high] = [0, this.#leaves.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#leaves[middle]?.[0]?.key ?? '') <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

function* walk(leaves: readonly Leaf[], first: number, prefix: string, startKey: string): Generator<CachedObject> {
  for (let at = first; at < leaves.length; at++) {
    const leaf = leaves[at] ?? [];
    for (let index = at === first ? lowerBound(leaf, startKey) : 0; index < leaf.length; index++) {
      const object = leaf[index] as CachedObject;
      if (!object.key.startsWith(prefix)) return;
      yield object;
    }
  }
}

/** etcd's order: keys are ASCII here, so code units compare as bytes. */
const byteOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function lowerBound(leaf: Leaf, key: string): number {
  let [low, high] = [0, leaf.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((leaf[middle]?.key ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
