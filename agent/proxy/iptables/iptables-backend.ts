/**
 * kube-proxy's iptables mode: service state → rules → `iptables-restore` (or `ip6tables-restore`) with what has changed.
 *
 * Writes: tables nat and filter, a canary chain in mangle; the sysctl route_localnet, so that node ports answer on 127.0.0.1.
 * Source: kubernetes.io, "Virtual IPs and Service Proxies", iptables proxy mode.
 */
import { type Backend, type BackendDeps, type BackendOptions, fullSyncPeriodMs, RefusedError } from '../backend.ts';
import { proxyMetrics } from '../metrics.ts';
import { findRefused } from '../quarantine.ts';
import type { ServiceState } from '../state.ts';
import { RestoreError, RuleApplier } from './apply.ts';
import { type CompiledState, compileState } from './ruleset.ts';

/** Makes the iptables backend of one address family. The factory itself runs no program. */
export function createIptablesBackend({ exec, sysctl, clock, warn }: BackendDeps, options: BackendOptions): Backend {
  const applier = new RuleApplier({ exec, warn }, options.family);
  /** As upstream: not when --nodeport-addresses leaves the loopback out. */
  const usesLocalhost = (): boolean =>
    options.family === 'IPv4' &&
    (options.localhostNodePorts ?? true) &&
    (options.nodePortIps?.()?.some((ip) => ip.startsWith('127.')) ?? true);
  let lastFullMs: number | undefined;
  let dropInvalid: boolean | undefined;

  const compile = (state: ServiceState): CompiledState =>
    compileState(state, {
      ...options,
      dropInvalid: dropInvalid ?? true,
      localhostNodePorts: usesLocalhost(),
      nodePortIps: options.nodePortIps?.(),
    });

  async function prepareKernel(): Promise<void> {
    if (dropInvalid !== undefined) return;
    const setting = 'net.ipv4.conf.all.route_localnet';
    if (usesLocalhost() && (await sysctl.get(setting)) !== 1) await sysctl.set(setting, 1);
    dropInvalid = ((await sysctl.get('net.netfilter.nf_conntrack_tcp_be_liberal')) ?? 0) === 0;
  }

  return {
    async apply(state) {
      await prepareKernel();
      if (lastFullMs !== undefined && clock.now() - lastFullMs >= fullSyncPeriodMs) applier.invalidate();
      try {
        const applied = await applier.apply(compile(state));
        if (applied.mode === 'full') lastFullMs = clock.now();
        return applied;
      } catch (error) {
        if (!(error instanceof RestoreError)) throw error;
        proxyMetrics.iptablesFailures.inc({ ip_family: options.family });
        const refused = await findRefused(state, (part) => applier.accepts(compile(part)));
        throw new RefusedError(error.message, refused, { cause: error });
      }
    },
    intact: () => applier.intact(),
    probe: () => applier.probe(),
    remove: () => applier.remove(),
  };
}
