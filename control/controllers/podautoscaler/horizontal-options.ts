/** The options of the HorizontalPodAutoscaler controller. */
import type { MetricsClient } from './metrics-client.ts';
import type { AutoscalerMonitor } from './monitor.ts';

/** Upstream's flags `--horizontal-pod-autoscaler-…`. */
export interface HorizontalOptions {
  /** `--concurrent-horizontal-pod-autoscaler-syncs`. */
  concurrency: number;
  syncPeriodMs: number;
  downscaleStabilizationMs: number;
  tolerance: number;
  cpuInitializationPeriodMs: number;
  initialReadinessDelayMs: number;
  monitor?: AutoscalerMonitor | undefined;
  /** Default: reads metrics from the API server. */
  metrics?: MetricsClient | undefined;
}

/** Upstream's defaults. */
export const defaultHorizontal: HorizontalOptions = {
  concurrency: 5,
  syncPeriodMs: 15_000,
  downscaleStabilizationMs: 300_000,
  tolerance: 0.1,
  cpuInitializationPeriodMs: 300_000,
  initialReadinessDelayMs: 30_000,
};
