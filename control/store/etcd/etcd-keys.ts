/** Between the store's keys and etcd's: bytes, below `--etcd-prefix`. */
import { prefixEnd } from '../key-range.ts';
import type { StoreEntry } from '../store.ts';
import type { KeyValue } from './etcd-proto.ts';

/** What all of the store's own keys begin with; also the default of `--etcd-prefix`, as upstream's. */
export const registry = '/registry';

/** One zero byte: all keys, or no end. */
export const everything = Buffer.of(0);

/** Says where keys stand in etcd. Keys outside `/registry` (upstream's `compact_rev_key`) stand where they are. */
export class EtcdKeys {
  readonly #root: string;

  /** @param root `--etcd-prefix`: `/registry`, or another path */
  constructor(root: string = registry) {
    this.#root = `/${root.split('/').filter(Boolean).join('/')}`;
  }

  /** The key in etcd, as text. */
  stored(key: string): string {
    return key === registry || key.startsWith(`${registry}/`) ? this.#root + key.slice(registry.length) : key;
  }

  /** A key of the store; undefined: one that the store has no name for. */
  named(key: Buffer): string | undefined {
    const text = key.toString('utf8');
    if (this.#root === registry) return text;
    if (text.startsWith(`${this.#root}/`)) return registry + text.slice(this.#root.length);
    return text.startsWith(`${registry}/`) ? undefined : text;
  }

  bytes(key: string): Buffer {
    return Buffer.from(this.stored(key), 'utf8');
  }

  /** The bounds of all keys with a prefix. @param startKey from this one on @param endKey to before this one */
  range(prefix: string, startKey?: string, endKey?: string): { key: Buffer; rangeEnd: Buffer } {
    const first = this.bytes(prefix);
    const start = startKey === undefined ? first : this.bytes(startKey);
    const prefixed = prefixEnd(this.stored(prefix));
    const ends = [prefixed === undefined ? [] : Buffer.from(prefixed), endKey === undefined ? [] : this.bytes(endKey)].flat();
    const [end = everything] = ends.sort((a, b) => Buffer.compare(a, b));
    const key = Buffer.compare(start, first) > 0 ? start : first;
    return { key: key.length === 0 ? everything : key, rangeEnd: end };
  }

  /** An entry under the store's key. */
  entry(key: string, kv: KeyValue): StoreEntry {
    const { createRevision, modRevision, version, lease } = kv;
    // A copy: the bytes are a part of the whole message, which would be kept as long as the value.
    return { key, value: new Uint8Array(kv.value), createRevision, modRevision, version, lease };
  }
}
