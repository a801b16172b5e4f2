/** The part of the table that does not depend on services, and the text of changes for `nft -f`. Pure. */
import type { BackendOptions } from '../backend.ts';
import type { Item, ItemChanges } from './items.ts';
import { containers, familyWords, nodePortEndpoints, protocols, serviceEndpoints, tableName } from './names.ts';
import { markStatement } from './port-items.ts';

/** What the standing part depends on. */
export interface TableOptions extends Omit<BackendOptions, 'nodePortIps'> {
  /** The addresses that `--nodeport-addresses` selects. Undefined: every local address. */
  nodePortIps?: readonly string[] | undefined;
}

/** The chains at the kernel's hooks: type, hook and priority are upstream's. */
const baseChains: readonly (readonly [chain: string, type: string, hook: string, priority: string])[] = [
  ['filter-prerouting-pre-dnat', 'filter', 'prerouting', '-110'],
  ['filter-output-pre-dnat', 'filter', 'output', '-110'],
  ['filter-input', 'filter', 'input', '0'],
  ['filter-forward', 'filter', 'forward', '0'],
  ['filter-output', 'filter', 'output', '0'],
  ['nat-prerouting', 'nat', 'prerouting', '-100'],
  ['nat-output', 'nat', 'output', '-100'],
  ['nat-postrouting', 'nat', 'postrouting', '100'],
];

/** The chains with rules that do not depend on services, in an order in which each comes after those it jumps to. */
function standingChains(options: TableOptions): [chain: string, rules: string[]][] {
  const { ip, notLoopback } = familyWords[options.family];
  const { clusterCidr, masqueradeAll = false, masqueradeBit = 14 } = options;
  const mark = `0x${(1 << masqueradeBit).toString(16).padStart(8, '0')}`;
  const byAddress = `${ip} daddr . meta l4proto . th dport vmap`;
  const nodePortAddress = options.nodePortIps === undefined ? notLoopback : `${ip} daddr @${containers.nodePortIps}`;
  const fromElsewhere =
    clusterCidr === undefined
      ? []
      : [`${ip} daddr @${containers.clusterIps} ${ip} saddr != ${clusterCidr} ${markStatement(options)}`];
  const isLocal = options.nodePortIps === undefined ? `fib daddr type local ${nodePortAddress}` : nodePortAddress;
  return [
    ['reject-chain', ['reject']],
    ['firewall-check', [`${byAddress} @${containers.firewallIps}`]],
    ['service-endpoints-check', [`${byAddress} @${containers.noEndpointServices}`]],
    ['nodeport-endpoints-check', [`${nodePortAddress} meta l4proto . th dport vmap @${containers.noEndpointNodePorts}`]],
    [
      'cluster-ips-check',
      [`${ip} daddr @${containers.clusterIps} reject comment "Reject traffic to invalid ports of ClusterIPs"`],
    ],
    [
      'services',
      [
        ...(masqueradeAll ? [`${ip} daddr @${containers.clusterIps} ${markStatement(options)}`] : fromElsewhere),
        `${byAddress} @${containers.serviceIps}`,
        `${isLocal} meta l4proto . th dport vmap @${containers.nodePorts}`,
      ],
    ],
    [
      'masquerading',
      [
        `meta mark & ${mark} != 0 meta mark set meta mark ^ ${mark} masquerade fully-random`,
        `ct status dnat ${ip} saddr . ${ip} daddr . meta l4proto . th dport @${containers.hairpin} masquerade fully-random`,
      ],
    ],
    ['filter-prerouting-pre-dnat', ['ct state new jump firewall-check']],
    ['filter-output-pre-dnat', ['ct state new jump firewall-check']],
    ['filter-input', ['ct state new jump nodeport-endpoints-check', 'ct state new jump service-endpoints-check']],
    ['filter-forward', ['ct state new jump service-endpoints-check', 'ct state new jump cluster-ips-check']],
    ['filter-output', ['ct state new jump service-endpoints-check', 'ct state new jump cluster-ips-check']],
    ['nat-prerouting', ['jump services']],
    ['nat-output', ['jump services']],
    ['nat-postrouting', ['jump masquerading']],
  ];
}

/** Sets and maps with elements of services: `set` or `map`, name and definition. */
function containerDefinitions({ family }: TableOptions): ['set' | 'map', name: string, definition: string][] {
  const { ip, address } = familyWords[family];
  const perAddress = `type ${address} . inet_proto . inet_service : verdict;`;
  const perPort = 'type inet_proto . inet_service : verdict;';
  return [
    ['set', containers.clusterIps, `type ${address}; comment "Active ClusterIPs";`],
    [
      'set',
      containers.hairpin,
      `type ${address} . ${address} . inet_proto . inet_service; comment "service hairpin connections";`,
    ],
    ['set', containers.nodePortIps, `type ${address}; comment "IPs that accept NodePort traffic";`],
    ['map', containers.serviceIps, `${perAddress} comment "ClusterIP, ExternalIP and LoadBalancer IP traffic";`],
    ['map', containers.nodePorts, `${perPort} comment "NodePort traffic";`],
    [
      'map',
      containers.noEndpointServices,
      `${perAddress} comment "vmap to drop or reject packets to services with no endpoints";`,
    ],
    [
      'map',
      containers.noEndpointNodePorts,
      `${perPort} comment "vmap to drop or reject packets to service nodeports with no endpoints";`,
    ],
    ['map', containers.firewallIps, `${perAddress} comment "destinations that are subject to LoadBalancerSourceRanges";`],
    ...protocols.flatMap((protocol): ['map', string, string][] => [
      [
        'map',
        serviceEndpoints(protocol),
        `typeof ${ip} daddr . ${protocol} dport . numgen random mod 2 : ${ip} daddr . ${protocol} dport;`,
      ],
      ['map', nodePortEndpoints(protocol), `typeof ${protocol} dport . numgen random mod 2 : ${ip} daddr . ${protocol} dport;`],
    ]),
  ];
}

/** The names of the chains that stand without any service. */
export const standingChainNames = (options: TableOptions): Map<string, number> =>
  new Map(standingChains(options).map(([chain, rules]) => [chain, rules.length]));

/** What the table holds besides this state: chains and sets that a full write deletes. */
export interface Leftovers {
  chains: readonly string[];
  sets: readonly string[];
}

/** The text of changes, for the table of one family. */
export class TableText {
  readonly #table: string;
  readonly #options: TableOptions;

  constructor(options: TableOptions) {
    this.#options = options;
    this.#table = `${familyWords[options.family].ip} ${tableName}`;
  }

  /** Writes everything anew: what the table holds has gone after it, except clients in the sets of session affinity that are still there. */
  *full(items: Iterable<Item>, leftovers: Leftovers): Generator<string> {
    const table = this.#table;
    const chains = standingChains(this.#options);
    const definitions = containerDefinitions(this.#options);
    yield `add table ${table} { comment "rules for kube-proxy"; }\n`;
    for (const [chain, type, hook, priority] of baseChains) {
      // A chain of this name may have another priority.
      yield `add chain ${table} ${chain}\ndelete chain ${table} ${chain}\n`;
      yield `add chain ${table} ${chain} { type ${type} hook ${hook} priority ${priority}; }\n`;
    }
    for (const [chain] of chains) yield `add chain ${table} ${chain}\nflush chain ${table} ${chain}\n`;
    for (const chain of leftovers.chains) yield `flush chain ${table} ${chain}\n`;
    for (const [kind, name, definition] of definitions)
      yield `add ${kind} ${table} ${name} { ${definition} }\nflush ${kind} ${table} ${name}\n`;
    for (const [chain, rules] of chains) yield this.#rules(chain, rules);
    for (const ip of this.#options.nodePortIps ?? []) yield `add element ${table} ${containers.nodePortIps} { ${ip} }\n`;
    const rest: Item[] = [];
    for (const item of items) if (item.kind !== 'element') rest.push(item);
    yield* this.changes({ added: rest, changed: [], removed: [] }, true);
    yield* this.#allElements(items);
    for (const set of leftovers.sets) yield `delete set ${table} ${set}\n`;
  }

  /**
   * Writes the difference. Chains that nothing needs are left empty; {@link deleteChains} deletes them afterwards.
   * @param flushesChains whether chains that are added may be there already
   */
  *changes({ added, changed, removed }: ItemChanges, flushesChains = false): Generator<string> {
    const table = this.#table;
    const of = (items: readonly Item[], kind: Item['kind']): Item[] => items.filter((item) => item.kind === kind);
    for (const { name, value } of of(added, 'set')) yield `add set ${table} ${name} { ${value} }\n`;
    for (const { name } of of(added, 'chain')) yield `add chain ${table} ${name}\n`;
    const emptied = [...of(changed, 'chain'), ...of(removed, 'chain'), ...(flushesChains ? of(added, 'chain') : [])];
    for (const { name } of emptied) yield `flush chain ${table} ${name}\n`;
    for (const { name, value } of [...of(added, 'chain'), ...of(changed, 'chain')]) yield this.#rules(name, value.split('\n'));
    yield* this.#elements('delete', [...of(removed, 'element'), ...of(changed, 'element')]);
    yield* this.#elements('add', [...of(changed, 'element'), ...of(added, 'element')]);
    for (const { name, value } of of(changed, 'set'))
      yield `delete set ${table} ${name}\nadd set ${table} ${name} { ${value} }\n`;
    for (const { name } of of(removed, 'set')) yield `delete set ${table} ${name}\n`;
  }

  /** Deletes chains that {@link changes} has emptied. */
  deleteChains(names: readonly string[]): string {
    return names.map((name) => `delete chain ${this.#table} ${name}\n`).join('');
  }

  #rules(chain: string, rules: readonly string[]): string {
    return rules.map((rule) => `add rule ${this.#table} ${chain} ${rule}\n`).join('');
  }

  *#allElements(items: Iterable<Item>): Generator<string> {
    const waiting = new Map<string, Item[]>();
    for (const item of items) {
      if (item.kind !== 'element') continue;
      const container = item.name.slice(0, item.name.indexOf(' '));
      const batch = waiting.get(container) ?? [];
      if (batch.push(item) === 1) waiting.set(container, batch);
      if (batch.length < elementsPerCommand) continue;
      yield* this.#elements('add', batch);
      waiting.delete(container);
    }
    for (const batch of waiting.values()) yield* this.#elements('add', batch);
  }

  /** One command for many elements: nft needs less time for it. */
  *#elements(verb: 'add' | 'delete', items: readonly Item[]): Generator<string> {
    const byContainer = Map.groupBy(items, ({ name }) => name.slice(0, name.indexOf(' ')));
    for (const [container, all] of byContainer) {
      for (let start = 0; start < all.length; start += elementsPerCommand) {
        const texts = all.slice(start, start + elementsPerCommand).map(({ name, value }) => {
          const key = name.slice(container.length + 1);
          return verb === 'delete' || value === '' ? key : `${key} : ${value}`;
        });
        yield `${verb} element ${this.#table} ${container} { ${texts.join(' , ')} }\n`;
      }
    }
  }
}

const elementsPerCommand = 500;
