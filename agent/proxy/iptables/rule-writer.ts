/** Collects the rules of one service port, together with the settings that all rules share. */
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

/** A rule in a chain that all services share, such as KUBE-SERVICES. Its place within the chain has no meaning. */
export interface DispatchRule {
  table: Table;
  chain: string;
  rule: string;
}

/** The rules of one service port. */
export interface PortRules {
  /** The port's own chains, all in the table nat. */
  chains: ReadonlyMap<string, readonly string[]>;
  dispatch: readonly DispatchRule[];
}

/** The parts of a rule. */
export interface RuleParts {
  /** An address or a range. A leading `!` negates it. */
  source?: string | undefined;
  destination?: string | undefined;
  protocol?: string | undefined;
  /** The comment. Empty: none. */
  comment?: string;
  /** Further matches, before that of the protocol. */
  matches?: string | undefined;
  /** The destination port; needs a protocol. */
  port?: number | undefined;
  /** Whether the match extension of the protocol is loaded although there is no port. */
  protocolMatch?: boolean;
  target?: string;
}

/**
 * One rule in the spelling of `iptables-save`, without `-A chain`. What the kernel holds can therefore be compared with what it should hold
 * as text.
 */
export function ruleText(parts: RuleParts): string {
  const { source, destination, protocol, comment = '', matches, port, target } = parts;
  const words: string[] = [];
  if (source !== undefined) words.push(address('-s', source));
  if (destination !== undefined) words.push(address('-d', destination));
  if (protocol !== undefined) words.push(`-p ${protocol}`);
  if (comment !== '') words.push(`-m comment --comment ${/^[A-Za-z0-9_-]*$/.test(comment) ? comment : `"${comment}"`}`);
  if (matches !== undefined) words.push(matches);
  if (protocol !== undefined && (port !== undefined || parts.protocolMatch === true)) words.push(`-m ${protocol}`);
  if (port !== undefined) words.push(`--dport ${port}`);
  if (target !== undefined) words.push(`-j ${target}`);
  return words.join(' ');
}

function address(option: string, text: string): string {
  if (text.startsWith('!')) return `! ${address(option, text.slice(1))}`;
  return `${option} ${text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`}`;
}

/** The probability 1/`n`, as iptables-save prints it: the kernel keeps 31 bits. */
export const probability = (n: number): string => (Math.round(2 ** 31 / n) / 2 ** 31).toFixed(11);

/** Collects the rules of one service port. */
export class PortWriter implements PortRules {
  readonly chains = new Map<string, string[]>();
  readonly dispatch: DispatchRule[] = [];
  readonly settings: RuleSettings;

  constructor(settings: RuleSettings) {
    this.settings = settings;
  }

  /** Adds a rule to a chain of the port's own. */
  own(chain: string, parts: RuleParts): void {
    const rules = this.chains.get(chain);
    if (rules === undefined) this.chains.set(chain, [ruleText(parts)]);
    else rules.push(ruleText(parts));
  }

  /** Adds a rule to a chain that all services share. */
  shared(table: Table, chain: string, parts: RuleParts): void {
    this.dispatch.push({ table, chain, rule: ruleText(parts) });
  }

  /** The comment of a rule of one endpoint. Empty in a large cluster. */
  endpointComment(text: string): string {
    return this.settings.endpointComments ? text : '';
  }
}
