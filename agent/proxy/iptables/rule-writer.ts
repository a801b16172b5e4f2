/** Collects rules chain by chain; holds what all rules of one ruleset share. */
import type { Table } from './chains.ts';

export interface RuleSettings {
  /** The mark that asks for masquerading: `0x4000`. */
  markHex: string;
  clusterCidr: string | undefined;
  masqueradeAll: boolean;
  nodeIp: string | undefined;
  /** False in large clusters, where the comments of endpoint rules are two fifths of the text. */
  endpointComments: boolean;
}

export class RuleWriter {
  readonly tables: Record<Table, Map<string, string[]>> = { mangle: new Map(), nat: new Map(), filter: new Map() };
  readonly settings: RuleSettings;
  #probabilities: string[] = [];

  constructor(settings: RuleSettings) {
    this.settings = settings;
  }

  get markHex(): string {
    return this.settings.markHex;
  }

  /** Declares a chain, which is then created, or emptied of what it held. */
  chain(table: Table, name: string): string[] {
    const rules = this.tables[table].get(name) ?? [];
    this.tables[table].set(name, rules);
    return rules;
  }

  nat(chain: string, rule: string): void {
    this.chain('nat', chain).push(rule);
  }

  filter(chain: string, rule: string): void {
    this.chain('filter', chain).push(rule);
  }

  /** `-m comment …` for a rule about one endpoint; in a large cluster nothing. Quoted as iptables-save quotes it. */
  endpointComment(text: string): string {
    if (!this.settings.endpointComments) return '';
    return `-m comment --comment ${text.includes(' ') ? `"${text}"` : text} `;
  }

  /** One in `n`, with ten digits (the kernel keeps 31 bits, so iptables-save prints 0.33333333349 for a third). */
  probability(n: number): string {
    return (this.#probabilities[n] ??= (1 / n).toFixed(10));
  }
}
