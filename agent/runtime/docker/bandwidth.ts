/** The limits of a pod's traffic, as the CNI plugin `bandwidth` takes them. Pure. */
import { toNumber } from '#api/quantity.ts';

/** In bits per second and bits. */
export interface PodBandwidth {
  ingressRate?: number;
  ingressBurst?: number;
  egressRate?: number;
  egressBurst?: number;
}

/** As containerd sets it. */
const burstBits = 2 ** 32 - 1;
const minRate = 1_000;
const maxRate = 10 ** 15;

/**
 * Reads the annotations `kubernetes.io/ingress-bandwidth` and `kubernetes.io/egress-bandwidth`. @returns undefined: there are none
 * @throws Error for a value that upstream refuses, in its words
 * Source: upstream `pkg/util/bandwidth/utils.go`; containerd `internal/cri/server/sandbox_run.go`.
 */
export function podBandwidth(annotations: Readonly<Record<string, string>> = {}): PodBandwidth | undefined {
  const ingress = rateOf(annotations['kubernetes.io/ingress-bandwidth']);
  const egress = rateOf(annotations['kubernetes.io/egress-bandwidth']);
  if (ingress === undefined && egress === undefined) return undefined;
  return {
    ...(ingress === undefined ? {} : { ingressRate: ingress, ingressBurst: burstBits }),
    ...(egress === undefined ? {} : { egressRate: egress, egressBurst: burstBits }),
  };
}

function rateOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const rate = toNumber(text);
  if (rate < minRate) throw new Error('resource is unreasonably small (< 1kbit)');
  if (rate > maxRate) throw new Error('resource is unreasonably large (> 1Pbit)');
  return rate;
}
