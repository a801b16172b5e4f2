/**
 * Finds the PodDisruptionBudgets that select a pod without going through all of its namespace. A budget stands under one thing that each
 * of its pods must have, a label or a label's key; only budgets that demand nothing (`{}`, `NotIn`) are looked at for each pod.
 */
import { keyOf } from '../meta.ts';
import { type LabelMatcher, matchesLabels } from '../selector.ts';
import type { Pod, PodDisruptionBudget } from '../types.generated.ts';
import { budgetMatcher } from './disruption-budget.ts';

/** Under more values than these, a budget stands under the key alone. */
const maxValues = 16;

/** Where budgets stand that demand no label. */
const anywhere = '';
const labelOf = (key: string, value: string): string => `${key}\0${value}`;

interface Entry {
  budget: PodDisruptionBudget;
  places: readonly string[];
}

/** The budgets of all namespaces. */
export class BudgetIndex {
  readonly #entries = new Map<string, Entry>();
  /** By namespace, then by place, then by key. */
  readonly #places = new Map<string, Map<string, Map<string, PodDisruptionBudget>>>();

  /** How often a budget has come, changed or gone. */
  changes = 0;

  /** Adds the budget, or replaces what has its name. */
  put(budget: PodDisruptionBudget): void {
    this.changes++;
    const key = keyOf(budget);
    this.remove(key);
    const places = placesOf(budgetMatcher(budget));
    this.#entries.set(key, { budget, places });
    const inNamespace = entryOf(this.#places, budget.metadata.namespace ?? '', () => new Map());
    for (const place of places) entryOf(inNamespace, place, () => new Map<string, PodDisruptionBudget>()).set(key, budget);
  }

  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.changes++;
    this.#entries.delete(key);
    const namespace = entry.budget.metadata.namespace ?? '';
    const inNamespace = this.#places.get(namespace);
    for (const place of entry.places) {
      const budgets = inNamespace?.get(place);
      budgets?.delete(key);
      if (budgets?.size === 0) inNamespace?.delete(place);
    }
    if (inNamespace?.size === 0) this.#places.delete(namespace);
  }

  /** The number of budgets that must be matched with the pod. */
  candidates({ metadata: { namespace = '', labels } }: Pick<Pod, 'metadata'>): number {
    const inNamespace = this.#places.get(namespace);
    if (inNamespace === undefined) return 0;
    let sum = 0;
    for (const place of placesOfLabels(labels)) sum += inNamespace.get(place)?.size ?? 0;
    return sum;
  }

  /** Those that select the pod, at most `limit`. @param looks at so many budgets at most. Default: all that may select it */
  of(
    { metadata: { namespace = '', labels } }: Pick<Pod, 'metadata'>,
    limit: number,
    looks: number = Number.POSITIVE_INFINITY,
  ): PodDisruptionBudget[] {
    const inNamespace = this.#places.get(namespace);
    if (inNamespace === undefined) return [];
    const found: PodDisruptionBudget[] = [];
    let looked = 0;
    for (const place of placesOfLabels(labels))
      for (const budget of inNamespace.get(place)?.values() ?? []) {
        if (++looked > looks) return found;
        if (!matchesLabels(budgetMatcher(budget), labels)) continue;
        if (found.push(budget) >= limit) return found;
      }
    return found;
  }
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function placesOf({ nothing, requirements }: LabelMatcher): string[] {
  if (nothing === true) return [];
  let known: string[] = [anywhere];
  for (const { key, operator, values } of requirements) {
    const isIn = operator === '=' || operator === '==' || operator === 'in';
    if (isIn && values.length <= maxValues) return [...new Set(values)].map((value) => labelOf(key, value));
    if (isIn || operator === 'exists') known = [key];
  }
  return known;
}

function* placesOfLabels(labels: Readonly<Record<string, string>> = {}): Iterable<string> {
  for (const [key, value] of Object.entries(labels)) {
    yield labelOf(key, value);
    yield key;
  }
  yield anywhere;
}
