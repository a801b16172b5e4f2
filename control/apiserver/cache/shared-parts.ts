/**
 * Objects made of one template say the same in most of their parts, and so do two versions of one object. Cached objects are never changed, so
 * parts that are equal are held once: a new object takes them, whole or in part, from one that is there.
 *
 * Source of the idea: client-go's string interning in `tools/cache`, upstream's `TransformStripManagedFields`; here nothing is dropped.
 */
import type { KubeObject } from '#api/meta.ts';

/** Maximum number of templates kept. Each holds the last object that was made of it. */
const maxTemplates = 2_048;

/** The last objects of templates, with which new ones are compared. */
export class SharedParts {
  /** Ordered by last use: the most recent is last. */
  readonly #templates = new Map<string, KubeObject>();

  /**
   * Replaces parts of a decoded object, which nobody has seen yet, by equal ones of its previous version or of the last object of its template.
   * In place. Takes time in proportion to the object's size.
   * @param prefix the storage prefix of its kind
   */
  share(prefix: string, object: KubeObject, previous: KubeObject | undefined): void {
    const key = templateOf(prefix, object);
    const like = previous ?? this.#templates.get(key);
    if (like !== undefined) unified(object, like);
    this.#templates.delete(key);
    this.#templates.set(key, object);
    for (const [oldest] of this.#templates) {
      if (this.#templates.size <= maxTemplates) break;
      this.#templates.delete(oldest);
    }
  }
}

/** Objects with the same controller, or at least of the same kind and namespace, are likely to be alike. */
function templateOf(prefix: string, { metadata }: KubeObject): string {
  // Any shape may have been stored; what follows only looks for something alike.
  const owners: unknown = metadata.ownerReferences;
  const owner: unknown = Array.isArray(owners) ? (owners[0] as { uid?: unknown } | null)?.uid : undefined;
  return `${prefix}\n${metadata.namespace ?? ''}\n${String(owner ?? metadata.generateName ?? '')}`;
}

/** `like` where both are equal; else `value`, whose parts are replaced likewise. */
function unified(value: unknown, like: unknown): unknown {
  // Equal texts become one text.
  if (value === like) return like;
  if (typeof value !== 'object' || value === null || typeof like !== 'object' || like === null) return value;
  if (Array.isArray(value)) return Array.isArray(like) ? unifiedList(value, like) : value;
  return Array.isArray(like) ? value : unifiedMap(value as Record<string, unknown>, like as Record<string, unknown>);
}

function unifiedList(value: unknown[], like: readonly unknown[]): readonly unknown[] {
  let isEqual = value.length === like.length;
  for (let index = 0; index < value.length; index++) {
    const part = unified(value[index], like[index]);
    if (part !== like[index] || index >= like.length) isEqual = false;
    else value[index] = part;
  }
  return isEqual ? like : value;
}

function unifiedMap(value: Record<string, unknown>, like: Record<string, unknown>): Record<string, unknown> {
  let isEqual = true;
  let count = 0;
  for (const key in value) {
    count++;
    if (!Object.hasOwn(like, key)) {
      isEqual = false;
      continue;
    }
    const part = unified(value[key], like[key]);
    // Only what is there is replaced: no key is added, so that none can be special.
    if (part !== like[key]) isEqual = false;
    else if (value[key] !== part || typeof part === 'string') value[key] = part;
  }
  if (!isEqual) return value;
  for (const _ in like) count--;
  return count === 0 ? like : value;
}
