/**
 * The interface of a proxy backend, which writes a node's service rules into the kernel. Each mode of kube-proxy (`--proxy-mode`)
 * is one implementation, in a folder of its own. The rest of the proxy, from the choice of endpoints to the health checks, is the
 * same for all modes.
 *
 * Source: kubernetes.io, "Virtual IPs and Service Proxies". Every implementation must pass `backend.contract.ts`.
 */
import type { Exec } from '#agent/host/exec.ts';
import type { Sysctl } from '#agent/host/sysctl.ts';
import type { IpFamily } from '#api/ip.ts';
import type { Clock } from '#client/clock.ts';
import type { ServicePortState, ServiceState } from './state.ts';

/** Writes the rules of one address family. Calls must not overlap, except those of {@link Backend.intact}. */
export interface Backend {
  /**
   * Makes the kernel's rules those of `state`, and writes only the difference to the last call. Each service port changes atomically. A port
   * that is the same object as in the last call has not changed. All rules are compared with the kernel's at the first call, after a failure,
   * after {@link intact} has returned false, and every {@link fullSyncPeriodMs}; rules that another run has left are then replaced, so the
   * result is always the same.
   * @throws RefusedError when the kernel does not accept the rules. No service port is half written, and the next call compares everything
   * @throws Error when the kernel could not be asked; the next call writes everything
   */
  apply(state: ServiceState): Promise<Applied>;
  /**
   * Whether the rules of the last {@link apply} are still in the kernel: no chain was flushed, deleted or extended by another
   * program, and the kernel's own chains still jump to them. True before the first call. After false, the next {@link apply}
   * writes everything. True also when something is written meanwhile.
   * @throws Error when the kernel could not be asked
   */
  intact(): Promise<boolean>;
  /**
   * Like {@link intact}, at a cost that hardly depends on the number of services: it looks whether a table was flushed or deleted, and whether
   * the kernel still leads packets to the rules.
   * @throws Error when the kernel could not be asked
   */
  probe(): Promise<boolean>;
  /**
   * Removes every rule of this backend, also those of another run (`kube-proxy --cleanup`). Rules of other programs stay. Absent
   * rules are success.
   * @throws Error when the kernel could not be asked or refused; calling again continues
   */
  remove(): Promise<void>;
}

/** The result of one {@link Backend.apply}. */
export interface Applied {
  /** `full`: everything was compared with the kernel; `partial`: only the difference to the last call was written; `unchanged`: nothing. */
  mode: 'full' | 'partial' | 'unchanged';
  /** Number of chains (or elements of maps) written or deleted. */
  chains: number;
}

/** The kernel, or the program that talks to it, does not accept the rules. The message contains the program's own message. */
export class RefusedError extends Error {
  /** The service ports that the kernel refuses; without them it accepts the rest. Empty when no service is at fault. */
  readonly ports: readonly ServicePortState[];
  constructor(message: string, ports: readonly ServicePortState[], options: ErrorOptions) {
    super(message, options);
    this.name = 'RefusedError';
    this.ports = ports;
  }
}

/** What a backend works with. */
export interface BackendDeps {
  exec: Exec;
  sysctl: Sysctl;
  clock: Clock;
  /** Is told of a failure that the backend has corrected itself. */
  warn(message: string): void;
}

/** What a backend needs to know about its node. */
export interface BackendOptions {
  family: IpFamily;
  /**
   * This node's address in the family. It decides whether a load balancer's source ranges admit the node itself.
   */
  nodeIp?: string | undefined;
  /** The range of all pod addresses (detect-local mode ClusterCIDR). Absent: no source counts as a pod of this cluster. */
  clusterCidr?: string | undefined;
  /** `--masquerade-all`: masquerade all traffic to cluster IPs. Default false. */
  masqueradeAll?: boolean;
  /** `--iptables-masquerade-bit`. Default 14, the mark 0x4000. */
  masqueradeBit?: number;
  /** `--iptables-localhost-nodeports`: node ports answer on 127.0.0.1. Default true. */
  localhostNodePorts?: boolean;
  /** The addresses that `--nodeport-addresses` selects at this moment. Undefined: every local address. */
  nodePortIps?: () => readonly string[] | undefined;
}

/** Interval of full writes. They repair changes by other programs that {@link Backend.intact} does not detect. */
export const fullSyncPeriodMs = 3_600_000;
