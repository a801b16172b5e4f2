/** The backends, by the name of their mode (`--proxy-mode`). A new backend is one line here. */
import type { Backend, BackendDeps, BackendOptions } from './backend.ts';
import { createIptablesBackend } from './iptables/iptables-backend.ts';
import { createNftablesBackend } from './nftables/nftables-backend.ts';

/** The modes that `--proxy-mode` accepts. */
export type ProxyMode = keyof typeof backends;

/** Each mode's factory. */
export const backends = {
  iptables: createIptablesBackend,
  nftables: createNftablesBackend,
} satisfies Record<string, (deps: BackendDeps, options: BackendOptions) => Backend>;

/**
 * Removes the service rules of every mode and address family from this node (`kube-proxy --cleanup`). When one removal fails, the
 * others still run.
 * @param selects which modes; all by default
 * @throws AggregateError of all failures
 */
export async function removeServiceRules(deps: BackendDeps, selects: (mode: string) => boolean = () => true): Promise<void> {
  const failures: unknown[] = [];
  for (const [mode, createBackend] of Object.entries(backends)) {
    if (!selects(mode)) continue;
    for (const family of ['IPv4', 'IPv6'] as const) {
      await createBackend(deps, { family })
        .remove()
        .catch((error: unknown) => failures.push(error));
    }
  }
  if (failures.length > 0)
    throw new AggregateError(failures, `service rules are left: ${failures.map((error) => String(error)).join('; ')}`);
}
