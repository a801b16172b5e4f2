/**
 * Topology hints of Services with `service.kubernetes.io/topology-mode: Auto`: each zone gets endpoints in proportion to its share of the
 * ready nodes' CPUs, its own endpoints first. Pure.
 *
 * Source: KEP-2433; endpointslice `topologycache/{topologycache,utils}.go`. Upstream keeps the hints of slices that need no other change;
 * here all hints are computed again in the endpoints' order, so that the same endpoints always get the same hints.
 */

import { readyCondition } from '#api/node-conditions.ts';
import { controlPlaneRoleLabel, zoneLabel } from '#api/node-labels.ts';
import { toMillis } from '#api/quantity.ts';
import type { Endpoint, Node, Service } from '#api/types.generated.ts';

const annotations = ['service.kubernetes.io/topology-aware-hints', 'service.kubernetes.io/topology-mode'] as const;
const excludedLabels = [controlPlaneRoleLabel, 'node-role.kubernetes.io/master'];
/** How much an endpoint may be overloaded, as a fraction of its share. */
const overload = 0.2;

/** Whether the Service requests zone hints. They take precedence over `trafficDistribution`. */
export function wantsZoneHints({ metadata }: Service): boolean {
  const value = annotations.map((name) => metadata.annotations?.[name]).find((one) => one !== undefined);
  return value === 'Auto' || value === 'auto';
}

/** Each zone's share of the CPUs; undefined when the nodes do not report enough, or there is only one zone. */
export function zoneRatios(nodes: readonly Node[]): ReadonlyMap<string, number> | undefined {
  const cpus = new Map<string, number>();
  for (const node of nodes) {
    const { labels = {} } = node.metadata;
    if (excludedLabels.some((name) => Object.hasOwn(labels, name)) || readyCondition(node)?.status !== 'True') continue;
    const zone = labels[zoneLabel] ?? '';
    const cpu = node.status?.allocatable?.['cpu'];
    const millis = cpu === undefined ? 0 : toMillis(cpu);
    if (zone === '' || millis <= 0) return undefined;
    cpus.set(zone, (cpus.get(zone) ?? 0) + millis);
  }
  if (cpus.size < 2) return undefined;
  const total = [...cpus.values()].reduce((sum, millis) => sum + millis, 0);
  return new Map([...cpus].sort(([a], [b]) => (a < b ? -1 : 1)).map(([zone, millis]) => [zone, millis / total]));
}

/** The hints by endpoint, or upstream's text of the reason why there are none. */
export type ZoneHints = { kind: 'hints'; zones: ReadonlyMap<Endpoint, string> } | { kind: 'none'; why: string };

/** Computes the hints. @param endpoints endpoints of one address type */
export function zoneHints(endpoints: readonly Endpoint[], ratios: ReadonlyMap<string, number> | undefined): ZoneHints {
  const ready = endpoints.filter(({ conditions }) => conditions?.ready === true);
  if (ratios === undefined)
    return {
      kind: 'none',
      why: 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes',
    };
  const counts = `(${ready.length} endpoints, ${ratios.size} zones)`;
  if (ratios.size > ready.length) return { kind: 'none', why: `Insufficient number of endpoints ${counts}` };
  const wanted = new Map<string, number>();
  let least = 0;
  for (const [zone, ratio] of ratios) {
    const desired = ratio * ready.length;
    const minimum = Math.ceil(desired / (1 + overload));
    least += minimum;
    wanted.set(zone, Math.max(desired, minimum));
  }
  if (least > ready.length)
    return {
      kind: 'none',
      why: `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}`,
    };
  if (ready.some(({ zone = '' }) => zone === ''))
    return { kind: 'none', why: 'One or more endpoints do not have a zone specified' };
  const { gives, receives } = exchange(wanted, ready);
  const zones = new Map<Endpoint, string>();
  for (const endpoint of ready) {
    const own = endpoint.zone ?? '';
    const [receiver] = receives.keys();
    if (receiver === undefined || (gives.get(own) ?? 0) === 0) {
      zones.set(endpoint, own);
      continue;
    }
    zones.set(endpoint, receiver);
    gives.set(own, (gives.get(own) ?? 0) - 1);
    const left = (receives.get(receiver) ?? 0) - 1;
    if (left === 0) receives.delete(receiver);
    else receives.set(receiver, left);
  }
  return { kind: 'hints', zones };
}

/** Computes how many endpoints each zone gives to and gets from other zones. */
function exchange(
  wanted: ReadonlyMap<string, number>,
  ready: readonly Endpoint[],
): { gives: Map<string, number>; receives: Map<string, number> } {
  const [surplus, need] = [new Map<string, number>(), new Map<string, number>()];
  for (const [zone, desired] of wanted) {
    const count = ready.filter((endpoint) => endpoint.zone === zone).length;
    if (count > desired) surplus.set(zone, count - desired);
    else if (count < desired) need.set(zone, desired - count);
  }
  const [gives, receives] = [new Map<string, number>(), new Map<string, number>()];
  const take = (from: Map<string, number>, to: Map<string, number>, zone: string): void => {
    to.set(zone, (to.get(zone) ?? 0) + 1);
    from.set(zone, (from.get(zone) ?? 0) - 1);
  };
  for (;;) {
    const [[giver, toGive], [receiver, toReceive]] = [most(surplus), most(need)];
    if (giver === '' || receiver === '' || (toGive < 1 && toReceive < 1) || toGive < 0.5 || toReceive < 0.5)
      return { gives, receives };
    take(surplus, gives, giver);
    take(need, receives, receiver);
  }
}

function most(zones: ReadonlyMap<string, number>): [zone: string, count: number] {
  let found: [string, number] = ['', 0];
  for (const [zone, count] of zones) if (count > found[1]) found = [zone, count];
  return found;
}
