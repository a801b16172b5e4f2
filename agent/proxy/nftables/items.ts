/**
 * What stands in the table: chains, sets and elements. Several service ports may need the same one (an address that two services have), so
 * each has its owners, and goes with the last of them. Pure.
 */

/** One chain, set or element. */
export interface Item {
  kind: 'chain' | 'set' | 'element';
  /** The name of the chain or set; of an element, that of its map or set, a space, and its key. */
  name: string;
  /** The rules of the chain by lines, the definition of the set, or what the map gives for the key (empty in a set). */
  value: string;
}

interface Owned {
  owner: string;
  value: string;
  others?: Map<string, string>;
}

/** What must be written. The values are those after the change. */
export interface ItemChanges {
  added: Item[];
  /** Items with another value than before. Elements have `before`, too. */
  changed: Item[];
  removed: Item[];
}

const idOf = ({ kind, name }: Item): string => `${kind} ${name}`;

/** Items by owner. */
export class ItemIndex {
  readonly #items = new Map<string, Owned>();

  /** Replaces the items of some owners, and tells the difference that this makes. */
  replace(
    before: Iterable<[owner: string, items: readonly Item[]]>,
    after: Iterable<[owner: string, items: readonly Item[]]>,
  ): ItemChanges {
    const touched = new Map<string, { item: Item; before: string | undefined }>();
    const touch = (item: Item): string => {
      const id = idOf(item);
      if (!touched.has(id)) touched.set(id, { item, before: this.#items.get(id)?.value });
      return id;
    };
    for (const [owner, items] of before) for (const item of items) this.#disown(touch(item), owner);
    for (const [owner, items] of after) for (const item of items) this.#own(touch(item), owner, item.value);
    const changes: ItemChanges = { added: [], changed: [], removed: [] };
    for (const [id, { item, before: was }] of touched) {
      const now = this.#items.get(id)?.value;
      if (now === was) continue;
      if (was === undefined) changes.added.push({ ...item, value: now ?? '' });
      else if (now === undefined) changes.removed.push({ ...item, value: was });
      else changes.changed.push({ ...item, value: now });
    }
    return changes;
  }

  get size(): number {
    return this.#items.size;
  }

  /** All items. */
  *all(): Generator<Item> {
    for (const [id, { value }] of this.#items) {
      const space = id.indexOf(' ');
      yield { kind: id.slice(0, space) as Item['kind'], name: id.slice(space + 1), value };
    }
  }

  /** The owner that comes first by name decides the value, whatever came first in time. */
  #own(id: string, owner: string, value: string): void {
    const known = this.#items.get(id);
    if (known === undefined) this.#items.set(id, { owner, value });
    else if (known.owner === owner) known.value = value;
    else if (owner < known.owner) {
      const others = (known.others ?? new Map<string, string>()).set(known.owner, known.value);
      this.#items.set(id, { owner, value, others });
    } else known.others = (known.others ?? new Map<string, string>()).set(owner, value);
  }

  #disown(id: string, owner: string): void {
    const known = this.#items.get(id);
    if (known === undefined) return;
    if (known.owner !== owner) known.others?.delete(owner);
    else if (known.others === undefined || known.others.size === 0) this.#items.delete(id);
    else {
      const next = [...known.others.keys()].reduce((a, b) => (a < b ? a : b));
      const value = known.others.get(next) ?? '';
      known.others.delete(next);
      this.#items.set(id, { owner: next, value, others: known.others });
    }
  }
}
