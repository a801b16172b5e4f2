/**
 * Creates the service accounts of the controllers in kube-system, as kube-controller-manager does.
 *
 * Source: controller-manager `pkg/clientbuilder` (getOrCreateServiceAccount); `--use-service-account-credentials`.
 */
import type { Logger } from 'pino';
import { isAlreadyExists } from '#api/status.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';

const namespace = 'kube-system';
const retryMs = 1_000;

/** Creates the missing accounts, with retries until all exist or `signal` aborts. Never rejects. */
export async function ensureControllerAccounts(
  client: Client,
  names: Iterable<string>,
  { clock, log }: { clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const missing = new Set(names);
  while (missing.size > 0 && !signal.aborted) {
    try {
      const accounts = client.resource('serviceaccounts');
      for (const { metadata } of (await accounts.list({ namespace })).items) missing.delete(metadata.name);
      for (const name of missing) {
        await accounts.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
        missing.delete(name);
      }
    } catch (error) {
      if (signal.aborted) return;
      // If another process has created it, the next list contains it.
      if (!isAlreadyExists(error)) log.warn({ err: error }, 'service accounts of controllers are missing; trying again');
      await sleep(clock, retryMs, signal);
    }
  }
}
