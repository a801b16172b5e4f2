/**
 * Lists whose order does not matter (`x-kubernetes-list-type` of a schema): sets, and maps whose items are identified by key fields.
 *
 * Source: apiserver `pkg/cel/common/valuesunstructured.go` (unstructuredSetList, unstructuredMapList).
 */
import { joinedList } from './joined-list.ts';
import type { ListIdentity } from './types.ts';
import { Duration, keyOf, ListValue, MapValue, NativeList, Timestamp, type Value } from './values.ts';

/** A list of type `set` or `map`. */
export class IdentityList extends ListValue {
  readonly #items: ListValue;
  readonly #identity: ListIdentity;
  #byKey: ReadonlyMap<string, number> | undefined;

  constructor(items: ListValue, identity: ListIdentity) {
    super();
    this.#items = items;
    this.#identity = identity;
  }

  get size(): number {
    return this.#items.size;
  }

  at(index: number): Value {
    return this.#items.at(index);
  }

  /** Whether items with the same key can differ. */
  get isMap(): boolean {
    return this.#identity !== 'set';
  }

  /** The item with the same key. */
  counterpart(item: Value): Value | undefined {
    const index = this.#index().get(this.#keyOf(item));
    return index === undefined ? undefined : this.at(index);
  }

  /** This list and the items of the other: items of a map take the place of those with the same key, others are added at the end. */
  merge(other: ListValue): IdentityList {
    const places = this.#index();
    const added: Value[] = [];
    const addedPlaces = new Map<string, number>();
    const replaced = new Map<number, Value>();
    for (let index = 0; index < other.size; index++) {
      const item = other.at(index);
      const key = this.#keyOf(item);
      const place = places.get(key);
      const addedPlace = addedPlaces.get(key);
      if (place !== undefined) {
        if (this.isMap) replaced.set(place, item);
      } else if (addedPlace === undefined) addedPlaces.set(key, added.push(item) - 1);
      else if (this.isMap) added[addedPlace] = item;
    }
    const kept =
      replaced.size === 0 ? this.#items : new NativeList([...this.#items].map((item, index) => replaced.get(index) ?? item));
    return new IdentityList(joinedList(kept, new NativeList(added)), this.#identity);
  }

  #index(): ReadonlyMap<string, number> {
    if (this.#byKey !== undefined) return this.#byKey;
    const made = new Map<string, number>();
    for (let index = 0; index < this.size; index++) made.set(this.#keyOf(this.at(index)), index);
    this.#byKey = made;
    return made;
  }

  #keyOf(item: Value): string {
    const identity = this.#identity;
    if (identity === 'set' || !(item instanceof MapValue)) return keyOf(item) ?? textOf(item);
    return identity.map((name) => textOf(item.get(name))).join();
  }
}

/** A text that is the same for equal values. */
function textOf(value: Value | undefined): string {
  if (value === undefined || value === null) return String(value);
  const key = keyOf(value);
  if (key !== undefined) return JSON.stringify(key);
  if (typeof value === 'number') return `f${value}`;
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
  if (value instanceof Duration) return `d${value.nanos}`;
  if (value instanceof Timestamp) return `t${value.nanos}`;
  if (value instanceof ListValue) return `[${[...value].map(textOf).join()}]`;
  if (!(value instanceof MapValue)) return 'o';
  const members = [...value.keys()].map((name) => `${textOf(name)}:${textOf(value.get(name))}`);
  return `{${members.sort().join()}}`;
}
