/** A binary heap whose items can also be taken out of its middle. Source: upstream `pkg/scheduler/backend/heap`. */
export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #items: T[] = [];
  readonly #positions = new Map<T, number>();

  /** @param before whether `a` comes out before `b` */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The item that comes out next. */
  get first(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return this.#positions.has(item);
  }

  /** Adds an item that is not in the heap. */
  push(item: T): void {
    this.#put(item, this.#items.length);
    this.#rise(this.#items.length - 1);
  }

  pop(): T | undefined {
    const [first] = this.#items;
    if (first !== undefined) this.delete(first);
    return first;
  }

  delete(item: T): boolean {
    const position = this.#positions.get(item);
    const last = this.#items.at(-1);
    if (position === undefined || last === undefined) return false;
    this.#items.length--;
    this.#positions.delete(item);
    if (last !== item) {
      this.#put(last, position);
      this.#rise(position);
      this.#sink(this.#positions.get(last) ?? position);
    }
    return true;
  }

  values(): Iterable<T> {
    return this.#items.values();
  }

  #put(item: T, position: number): void {
    this.#items[position] = item;
    this.#positions.set(item, position);
  }

  #rise(from: number): void {
    const item = this.#items[from] as T;
    let position = from;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      const above = this.#items[parent] as T;
      if (!this.#before(item, above)) break;
      this.#put(above, position);
      position = parent;
    }
    this.#put(item, position);
  }

  #sink(from: number): void {
    const item = this.#items[from] as T;
    let position = from;
    for (;;) {
      let child = 2 * position + 1;
      if (child >= this.#items.length) break;
      const right = child + 1;
      if (right < this.#items.length && this.#before(this.#items[right] as T, this.#items[child] as T)) child = right;
      const below = this.#items[child] as T;
      if (!this.#before(below, item)) break;
      this.#put(below, position);
      position = child;
    }
    this.#put(item, position);
  }
}
