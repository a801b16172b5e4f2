/** The controllers of a process for one term of leadership: in a process of their own, or beside the API server. */
import type { Client } from '#client/client.ts';
import { ensureControllerAccounts } from './controllers/controller-accounts.ts';
import { type ControllerOptions, type RunControllersDeps, runControllers } from './controllers/index.ts';

/** What {@link runControllerTerm} works with. */
export interface ControllerTermDeps extends Omit<RunControllersDeps, 'clientOf'> {
  /** A client that acts as the service account `kube-system/<account>`. Absent: all controllers act as `client`. */
  accountClient?: ((account: string, signal: AbortSignal) => Client) | undefined;
}

/** Runs the controllers until `signal` aborts. Service accounts of controllers are made where they are missing. */
export async function runControllerTerm(
  { accountClient, ...deps }: ControllerTermDeps,
  options: ControllerOptions,
  signal: AbortSignal,
): Promise<void> {
  if (accountClient === undefined) return await runControllers(deps, options, signal);
  const accounts = new Set<string>();
  const clientOf = (account: string): Client => {
    accounts.add(account);
    return accountClient(account, signal);
  };
  const running = runControllers({ ...deps, clientOf }, options, signal);
  // After the call above, which has made the controllers.
  await Promise.all([running, ensureControllerAccounts(deps.client, accounts, deps, signal)]);
}
