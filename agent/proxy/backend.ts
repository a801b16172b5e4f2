/**
 * What puts a node's service rules into the kernel: one implementation per mode of kube-proxy (`--proxy-mode`), each in a folder of
 * its own. Everything else of the proxy, from the choice of endpoints to the health checks, is the same for all of them.
 *
 * Source: kubernetes.io, "Virtual IPs and Service Proxies". `backend.contract.ts` is what each implementation must pass.
 */
import type { Exec } from '#agent/host/exec.ts';
import type { Sysctl } from '#agent/host/sysctl.ts';
import type { IpFamily } from '#api/ip.ts';
import type { Clock } from '#client/clock.ts';
import type { ServicePortState, ServiceState } from './state.ts';

/** The rules of one address family. Calls must not overlap. */
export interface Backend {
  /**
   * Makes the kernel's rules those of `state`, all at once, and touches only what differs from the last call. Writes everything at the first
   * call, after a failure, after {@link intact} has said no, and every {@link fullSyncPeriodMs}: whatever is there then, also rules of
   * another run, ends as the same rules.
   * @throws RefusedError when the kernel does not take the rules; no table is half written, and the next call writes everything
   * @throws Error when the kernel could not be asked; the next call writes everything
   */
  apply(state: ServiceState): Promise<Applied>;
  /**
   * Whether what {@link apply} has written is still there: no chain flushed, deleted or filled up by others, and the kernel's own chains still
   * lead into it. True before the first call. After false the next {@link apply} writes everything.
   * @throws Error when the kernel could not be asked
   */
  intact(): Promise<boolean>;
  /**
   * Removes every rule of this backend, also one of another run; rules of others stay as they are. What is not there needs no removal
   * (`kube-proxy --cleanup`).
   * @throws Error when the kernel could not be asked, or refused; calling again continues
   */
  remove(): Promise<void>;
}

/** What one {@link Backend.apply} did. */
export interface Applied {
  mode: 'full' | 'partial' | 'unchanged';
  /** Chains written or deleted; after `full`, all that there are. */
  chains: number;
}

/** The kernel, or the program that talks to it, does not take the rules. The message says what it says. */
export class RefusedError extends Error {
  /** The service ports without which it takes the rest; empty when no service is at fault. */
  readonly ports: readonly ServicePortState[];
  constructor(message: string, ports: readonly ServicePortState[], options: ErrorOptions) {
    super(message, options);
    this.name = 'RefusedError';
    this.ports = ports;
  }
}

export interface BackendDeps {
  exec: Exec;
  sysctl: Sysctl;
  clock: Clock;
  /** Told of what went wrong and was mended at once. */
  warn(message: string): void;
}

/** What every backend needs to know of its node. */
export interface BackendOptions {
  family: IpFamily;
  /** This node's address in the family: decides whether a source range lets the node itself in. */
  nodeIp?: string | undefined;
  /** Pod addresses of the whole cluster: detect-local mode ClusterCIDR. Absent: no source counts as a pod of ours. */
  clusterCidr?: string | undefined;
  /** `--masquerade-all`: SNAT whatever comes for a cluster IP. Default false. */
  masqueradeAll?: boolean;
  /** `--iptables-masquerade-bit`. Default 14, the mark 0x4000. */
  masqueradeBit?: number;
  /** `--iptables-localhost-nodeports`: node ports answer on 127.0.0.1. Default true. */
  localhostNodePorts?: boolean;
  /** The addresses that `--nodeport-addresses` selects at this moment; undefined: every local address. */
  nodePortIps?: () => readonly string[] | undefined;
}

/** Everything is written anew at this interval, in case somebody changed a rule that {@link Backend.intact} does not see. */
export const fullSyncPeriodMs = 3_600_000;
