/**
 * Which old value a value of an update came from. Fields and values of maps are found by their key, items of a list only where the list is
 * a map.
 *
 * Source: apiserver `pkg/cel/common/{equality,maplist}.go`.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { sameJson } from '../meta.ts';
import type { StructuralSchema } from './structural-schema.ts';

/** A value, the value that it was, and their schema. */
export class Correlation {
  readonly value: JsonValue;
  readonly old: JsonValue;
  readonly #schema: StructuralSchema;
  #mapList: MapList | undefined;
  #isUnchanged: boolean | undefined;
  #children: Map<string | number, Correlation> | undefined;

  constructor(value: JsonValue, old: JsonValue, schema: StructuralSchema) {
    this.value = value;
    this.old = old;
    this.#schema = schema;
  }

  /** Whether the value is what it was. False also where a part has no schema. */
  get isUnchanged(): boolean {
    this.#isUnchanged ??= this.#compare();
    return this.#isUnchanged;
  }

  #compare(): boolean {
    const { value, old } = this;
    if (value === null || old === null) return value === old;
    if (Array.isArray(value)) {
      if (!Array.isArray(old) || value.length !== old.length) return false;
      for (const index of value.keys()) {
        const child = this.index(index);
        if (child === undefined) return this.#mapList === undefined && sameJson(old, value);
        if (!child.isUnchanged) return false;
      }
      return true;
    }
    if (!isJsonObject(value)) return value === old;
    if (!isJsonObject(old)) return false;
    const keys = Object.keys(value);
    return keys.length === Object.keys(old).length && keys.every((key) => this.key(key)?.isUnchanged === true);
  }

  /** The value of a field or of a map's key. Undefined: there was none, or there is no schema for it. */
  key(name: string): Correlation | undefined {
    const known = this.#children?.get(name);
    if (known !== undefined) return known;
    const { value, old } = this;
    if (!isJsonObject(value) || !isJsonObject(old) || !Object.hasOwn(value, name) || !Object.hasOwn(old, name)) return undefined;
    const schema = this.#schema.child(name);
    return schema === undefined
      ? undefined
      : this.#keep(name, new Correlation(value[name] as JsonValue, old[name] as JsonValue, schema));
  }

  /** The old item of a list; undefined when it cannot be identified. */
  index(index: number): Correlation | undefined {
    const known = this.#children?.get(index);
    if (known !== undefined) return known;
    const { value, old } = this;
    const { items, listType } = this.#schema;
    if (!Array.isArray(value) || !Array.isArray(old) || items === undefined || listType !== 'map') return undefined;
    this.#mapList ??= new MapList(this.#schema, old);
    const earlier = this.#mapList.get(value[index]);
    return earlier === undefined ? undefined : this.#keep(index, new Correlation(value[index] as JsonValue, earlier, items));
  }

  #keep(key: string | number, child: Correlation): Correlation {
    this.#children ??= new Map();
    this.#children.set(key, child);
    return child;
  }
}

/** The items of a list by their keys. The first of several with the same keys counts. */
export class MapList {
  readonly #keys: readonly string[];
  readonly #items: ReadonlyMap<string, JsonObject>;

  /** @param schema of the list; it has items by key only if it is a map */
  constructor(schema: StructuralSchema, items: readonly JsonValue[]) {
    const isMap = schema.type === 'array' && schema.listType === 'map';
    this.#keys = isMap ? schema.listMapKeys : [];
    const byKey = new Map<string, JsonObject>();
    if (this.#keys.length > 0)
      for (const item of items) {
        const key = this.#keyOf(item);
        if (key !== undefined && !byKey.has(key)) byKey.set(key, item as JsonObject);
      }
    this.#items = byKey;
  }

  /** The item with the same keys. */
  get(item: JsonValue | undefined): JsonObject | undefined {
    const key = this.#keyOf(item);
    return key === undefined ? undefined : this.#items.get(key);
  }

  #keyOf(item: JsonValue | undefined): string | undefined {
    if (!isJsonObject(item)) return undefined;
    const values: string[] = [];
    for (const key of this.#keys) {
      const value = Object.hasOwn(item, key) ? item[key] : undefined;
      if (value === undefined || value === null || typeof value === 'object') return undefined;
      values.push(typeof value === 'string' ? JSON.stringify(value) : String(value));
    }
    return values.join('\0');
  }
}
