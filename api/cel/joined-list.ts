/**
 * Concatenated lists: `a + b`, and lists that loops build. Long parts are shared and not copied, so that repeated appending or joining
 * takes no more time than its CEL cost.
 */
import { ListValue, type Value } from './values.ts';

/** Shorter lists are copied, which is faster. */
const longPart = 16;

/** A list that grows at its end. */
class Tail extends ListValue {
  readonly items: Value[] = [];
  get size(): number {
    return this.items.length;
  }
  at(index: number): Value {
    return this.items[index] as Value;
  }
}

/** The parts that several joined lists share. Only the longest of them may add to it. */
class Parts {
  readonly lists: ListValue[] = [];
  /** Start index of each part. */
  readonly starts: number[] = [];
  size = 0;

  add(list: ListValue): void {
    if (list.size <= longPart) {
      for (const item of list) this.#tail().items.push(item);
    } else {
      this.starts.push(this.size);
      this.lists.push(list);
    }
    this.size += list.size;
  }

  #tail(): Tail {
    const last = this.lists.at(-1);
    if (last instanceof Tail) return last;
    const made = new Tail();
    this.starts.push(this.size);
    this.lists.push(made);
    return made;
  }

  at(index: number): Value {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] as number) <= index) low = middle;
      else high = middle - 1;
    }
    return (this.lists[low] as ListValue).at(index - (this.starts[low] as number));
  }
}

/** The first items of a list. */
class Head extends ListValue {
  readonly #list: ListValue;
  readonly size: number;
  constructor(list: ListValue, size: number) {
    super();
    this.#list = list;
    this.size = size;
  }
  at(index: number): Value {
    return this.#list.at(index);
  }
}

class JoinedList extends ListValue {
  readonly #parts: Parts;
  readonly size: number;

  constructor(parts: Parts) {
    super();
    this.#parts = parts;
    this.size = parts.size;
  }

  at(index: number): Value {
    return this.#parts.at(index);
  }

  plus(more: ListValue): JoinedList {
    // If nothing was added to the parts since, they can be shared.
    const parts = this.#parts.size === this.size ? this.#parts : new Parts();
    if (parts !== this.#parts) parts.add(new Head(this, this.size));
    parts.add(more);
    return new JoinedList(parts);
  }
}

/** One list after the other. */
export function joinedList(a: ListValue, b: ListValue): ListValue {
  if (b.size === 0) return a;
  if (a instanceof JoinedList) return a.plus(b);
  const parts = new Parts();
  parts.add(a);
  parts.add(b);
  return new JoinedList(parts);
}
