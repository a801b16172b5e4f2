/**
 * The order in which the scheduler looks at nodes: one of each zone in turn, so that those it looks at first are of all zones.
 * Source: upstream `pkg/scheduler/backend/cache/node_tree.go`.
 */
import { legacyRegionLabel, legacyZoneLabel, regionLabel, zoneLabel } from '#api/node-labels.ts';
import type { Node } from '#api/types.generated.ts';

/** The region and zone of a node as one text; empty when it has neither. */
export function zoneOf({ metadata: { labels = {} } }: Node): string {
  const region = labels[regionLabel] ?? labels[legacyRegionLabel] ?? '';
  const zone = labels[zoneLabel] ?? labels[legacyZoneLabel] ?? '';
  return region === '' && zone === '' ? '' : `${region}:\0:${zone}`;
}

/** Nodes by zone. */
export class NodeOrder {
  /** In the order in which zones and nodes came. */
  readonly #zones = new Map<string, Set<string>>();
  readonly #zoneOf = new Map<string, string>();

  /** Adds a node, or notes that it has moved to another zone. @returns whether the order has changed */
  set(node: Node): boolean {
    const { name } = node.metadata;
    const zone = zoneOf(node);
    const before = this.#zoneOf.get(name);
    if (before === zone) return false;
    if (before !== undefined) this.delete(name);
    this.#zoneOf.set(name, zone);
    this.#zones.getOrInsertComputed(zone, () => new Set()).add(name);
    return true;
  }

  delete(name: string): void {
    const zone = this.#zoneOf.get(name);
    if (zone === undefined) return;
    this.#zoneOf.delete(name);
    const names = this.#zones.get(zone);
    names?.delete(name);
    if (names?.size === 0) this.#zones.delete(zone);
  }

  /** The names of all nodes. */
  list(): string[] {
    const zones = Array.from(this.#zones.values(), (names) => [...names]);
    const names: string[] = [];
    for (let index = 0; names.length < this.#zoneOf.size; index++)
      for (const zone of zones) {
        const name = zone[index];
        if (name !== undefined) names.push(name);
      }
    return names;
  }
}
