/** Collects rules chain by chain, together with the settings that all rules share. */
import type { Table } from './chains.ts';

/** The settings that all rules of one ruleset share. */
export interface RuleSettings {
  /** The mark of packets to masquerade: `0x4000`. */
  markHex: string;
  clusterCidr: string | undefined;
  masqueradeAll: boolean;
  nodeIp: string | undefined;
  /**
   * Whether rules of endpoints have comments. False in large clusters, in which these comments would be two fifths of the text.
   */
  endpointComments: boolean;
}

/** Collects the rules of one ruleset. */
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

  /** Declares a chain. iptables-restore creates it, or deletes its rules. */
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

  /** `-m comment …` for a rule of one endpoint, quoted as iptables-save does. Empty in a large cluster. */
  endpointComment(text: string): string {
    if (!this.settings.endpointComments) return '';
    return `-m comment --comment ${text.includes(' ') ? `"${text}"` : text} `;
  }

  /** The probability 1/`n` with ten digits. (The kernel keeps 31 bits, so iptables-save prints 0.33333333349 for a third.) */
  probability(n: number): string {
    return (this.#probabilities[n] ??= (1 / n).toFixed(10));
  }
}
