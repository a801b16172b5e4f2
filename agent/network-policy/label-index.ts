/**
 * Two indexes by label: selectors for given labels, and objects for a given selector. Without them, a thousand policies and some
 * thousand pods would be compared pair by pair. Pure.
 */
import { exactLabel, type LabelMatcher, matchesLabels } from '#api/selector.ts';

type Labels = Readonly<Record<string, string>>;

/** The key of selectors that require no single label. */
const anyLabel = '';
const labelKey = (namespace: string | undefined, key: string, value: string): string => `${namespace ?? '*'}\0${key}\0${value}`;

/** A label that everything which the matcher selects has; undefined: no single one. */
function requiredLabel(matcher: LabelMatcher): [key: string, value: string] | undefined {
  for (const { key } of matcher.requirements) {
    const value = exactLabel(matcher, key);
    if (value !== undefined) return [key, value];
  }
  return undefined;
}

class Buckets<T> {
  readonly #buckets = new Map<string, Set<T>>();

  add(key: string, item: T): void {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, new Set([item]));
    else bucket.add(item);
  }

  remove(key: string, item: T): void {
    const bucket = this.#buckets.get(key);
    if (bucket?.delete(item) === true && bucket.size === 0) this.#buckets.delete(key);
  }

  at(key: string): Iterable<T> {
    return this.#buckets.get(key) ?? [];
  }
}

/** Selectors of one namespace, or of all (`namespace` undefined). */
export class SelectorIndex<T extends { namespace: string | undefined; pods: LabelMatcher }> {
  readonly #buckets = new Buckets<T>();

  add(selector: T): void {
    this.#buckets.add(this.#keyOf(selector), selector);
  }

  remove(selector: T): void {
    this.#buckets.remove(this.#keyOf(selector), selector);
  }

  /** The selectors whose pod selector selects these labels in this namespace. */
  selecting(namespace: string, labels: Labels): T[] {
    const keys = [undefined, namespace].flatMap((where) => [
      labelKey(where, anyLabel, anyLabel),
      ...Object.entries(labels).map(([key, value]) => labelKey(where, key, value)),
    ]);
    return keys.flatMap((key) => [...this.#buckets.at(key)].filter(({ pods }) => matchesLabels(pods, labels)));
  }

  #keyOf({ namespace, pods }: T): string {
    return labelKey(namespace, ...(requiredLabel(pods) ?? ([anyLabel, anyLabel] as const)));
  }
}

/** Labelled things of namespaces. */
export class LabelledIndex<T extends { namespace: string; labels: Labels }> {
  readonly #buckets = new Buckets<T>();

  add(item: T): void {
    for (const key of this.#keysOf(item)) this.#buckets.add(key, item);
  }

  remove(item: T): void {
    for (const key of this.#keysOf(item)) this.#buckets.remove(key, item);
  }

  /** The things that the matcher selects in this namespace; undefined: in all. */
  selected(namespace: string | undefined, matcher: LabelMatcher): T[] {
    const key = labelKey(namespace, ...(requiredLabel(matcher) ?? ([anyLabel, anyLabel] as const)));
    return [...this.#buckets.at(key)].filter(({ labels }) => matchesLabels(matcher, labels));
  }

  #keysOf({ namespace, labels }: T): string[] {
    return [undefined, namespace].flatMap((where) => [
      labelKey(where, anyLabel, anyLabel),
      ...Object.entries(labels).map(([key, value]) => labelKey(where, key, value)),
    ]);
  }
}
