/** The elements of one set in the kernel, and what has changed since they were written there. */

/** The changes of a set. */
export interface ElementChanges {
  added: string[];
  removed: string[];
}

/** A set whose elements are counted: two pods may, for a moment, have one address. */
export class ElementSet {
  readonly #counts = new Map<string, number>();
  /** The elements that were touched since the last {@link take}, and whether the kernel has them. */
  readonly #touched = new Map<string, boolean>();

  add(element: string): void {
    const count = this.#counts.get(element) ?? 0;
    if (count === 0) this.#touch(element, false);
    this.#counts.set(element, count + 1);
  }

  remove(element: string): void {
    const count = this.#counts.get(element) ?? 0;
    if (count === 1) {
      this.#touch(element, true);
      this.#counts.delete(element);
    } else if (count > 1) this.#counts.set(element, count - 1);
  }

  /** The changes since the last call, which from now on count as written. */
  take(): ElementChanges {
    const added: string[] = [];
    const removed: string[] = [];
    for (const [element, wasThere] of this.#touched) {
      const isThere = this.#counts.has(element);
      if (isThere && !wasThere) added.push(element);
      if (!isThere && wasThere) removed.push(element);
    }
    this.#touched.clear();
    return { added, removed };
  }

  /** All elements. */
  elements(): string[] {
    return [...this.#counts.keys()];
  }

  #touch(element: string, wasThere: boolean): void {
    if (!this.#touched.has(element)) this.#touched.set(element, wasThere);
  }
}
