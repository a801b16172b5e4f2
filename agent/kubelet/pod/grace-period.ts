/**
 * How long a pod's containers get between the order to stop and SIGKILL, in seconds. Pure.
 *
 * Source: upstream `pkg/kubelet/pod_workers.go` (calculateEffectiveGracePeriod), `pkg/kubelet/kuberuntime/kuberuntime_container.go`
 * (setTerminationGracePeriod); KEP-2238 (grace periods of probes).
 */
import { toNumber } from '#api/int64.ts';
import type { Container, Pod } from '#api/types.generated.ts';

/** Upstream's default of `terminationGracePeriodSeconds`. */
const defaultGraceSeconds = 30;
/** Every container gets this long, even with a grace period of 0. */
export const minimumGraceSeconds = 2;
/** The longest deadline that a runtime understands: some 68 years. */
const maximumGraceSeconds = 2 ** 31 - 1;

/** Why a container is stopped while its pod goes on: a probe or hook failed, its spec changed, or its state is unknown. */
export type KillReason = 'StartupProbe' | 'LivenessProbe' | 'PostStartHook' | 'Unknown' | 'Changed';

/**
 * Limits a pod's grace period to what a runtime accepts. A negative value, which only old stored pods can have, becomes 1 second; a value
 * above the runtime's longest deadline becomes that deadline.
 */
export const grantedSeconds = (seconds: number): number => (seconds < 0 ? 1 : Math.min(toNumber(seconds), maximumGraceSeconds));

/** The grace period of a pod that has to end, in seconds, at least 1: that of its deletion, else that of its spec. */
export function podGraceSeconds({ metadata, spec }: Pod): number {
  const seconds = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
  return Math.max(grantedSeconds(seconds), 1);
}

/**
 * The grace period of one container, in seconds: that of the pod's deletion, else that of the probe that failed, else the pod's own.
 * @param pod undefined for a pod that is no longer known
 * @param labelled the pod's grace period as the container's labels have it, for a pod that is no longer known
 */
export function containerGraceSeconds(
  pod: Pod | undefined,
  container: Container | undefined,
  reason: KillReason | undefined,
  labelled: number | undefined,
): number {
  const deletion = pod?.metadata.deletionGracePeriodSeconds;
  if (deletion !== undefined) return grantedSeconds(deletion);
  const own = pod?.spec.terminationGracePeriodSeconds ?? labelled;
  if (own === undefined) return minimumGraceSeconds;
  const probe =
    reason === 'StartupProbe' ? container?.startupProbe : reason === 'LivenessProbe' ? container?.livenessProbe : undefined;
  return grantedSeconds(probe?.terminationGracePeriodSeconds ?? own);
}
