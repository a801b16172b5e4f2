/** Finds the kubeconfig of commands that call the API server, when no flag names one. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { defaultLab } from '#lab/config.ts';

/** The data folder of `tinker server`, unless `--data-dir` says otherwise. */
export const defaultServerDataDir = '/var/lib/tinkernetes/server';
/** Help text of `--kubeconfig`. */
export const kubeconfigHelp =
  "how to reach the API server (default: $KUBECONFIG, the lab, this machine's server, ~/.kube/config)";

/** The path of the kubeconfig. @param given the value of `--kubeconfig` */
export function kubeconfigPath(given: string | undefined): string {
  const named = given ?? process.env['KUBECONFIG'];
  if (named !== undefined) return named;
  const known = [defaultLab.dataDir, defaultServerDataDir].map((folder) => join(folder, 'admin.conf'));
  return known.find((path) => existsSync(path)) ?? join(homedir(), '.kube/config');
}
