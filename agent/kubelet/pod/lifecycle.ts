/**
 * Lifecycle hooks of containers. Source: upstream `pkg/kubelet/lifecycle/handlers.go`, KEP-3960 (sleep).
 */

import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { toNumber } from '#api/int64.ts';
import type { Container, LifecycleHandler } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { httpGet, probeUrl } from '../probes/http-get.ts';

/** The container that a hook belongs to. */
export interface HookTarget {
  container: Container;
  containerId: string;
  podIp: string;
}

/** Runs postStart and preStop hooks. */
export interface HookRunner {
  /** Carries out a hook, until `signal` aborts. @throws Error when it fails; exec hooks fail by their exit status */
  run(handler: LifecycleHandler, target: HookTarget, signal?: AbortSignal): Promise<void>;
}

const httpTimeoutMs = 30_000;

/** Hooks as upstream runs them: an HTTP request ends after 30 s, a command when it ends. */
export function createHookRunner(runtime: ContainerRuntime, clock: Clock): HookRunner {
  return {
    async run(handler, { container, containerId, podIp }, signal) {
      if (handler.exec !== undefined) {
        const command = handler.exec.command ?? [];
        const { exitCode, stdout, stderr } = await runtime.execSync(containerId, command, 0, signal);
        if (exitCode !== 0)
          throw new Error(
            `command '${command.join(' ')}' exited with ${exitCode}: ${Buffer.concat([stdout, stderr]).toString('utf8')}`,
          );
      } else if (handler.httpGet !== undefined) {
        const timeout = AbortSignal.timeout(httpTimeoutMs);
        await httpGet(
          handler.httpGet,
          probeUrl(handler.httpGet, container, podIp),
          'kube-lifecycle/1.36',
          signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
        );
      } else if (handler.sleep !== undefined) {
        await sleep(clock, toNumber(handler.sleep.seconds) * 1000, signal);
      } else {
        throw new Error('Cannot run handler: invalid handler');
      }
    },
  };
}
