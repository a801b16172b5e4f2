/** What this server says it is: an API level of Kubernetes, and which build of ours serves it. */

/** What `/version` answers. Source: apimachinery `pkg/version`. */
export interface VersionInfo {
  major: string;
  minor: string;
  emulationMajor: string;
  emulationMinor: string;
  minCompatibilityMajor: string;
  minCompatibilityMinor: string;
  gitVersion: string;
  gitCommit: string;
  gitTreeState: string;
  buildDate: string;
  goVersion: string;
  compiler: string;
  platform: string;
}

const platformNames: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * The body of `/version`, with the field names that clients decode. There is no Go here: `goVersion` and `compiler` say what
 * there is instead.
 */
export function versionInfo(build: { version: string; commit?: string; date?: string }): VersionInfo {
  return {
    major: '1',
    minor: '36',
    emulationMajor: '1',
    emulationMinor: '36',
    minCompatibilityMajor: '1',
    minCompatibilityMinor: '35',
    gitVersion: `v1.36.0+tinkernetes${build.version}`,
    gitCommit: build.commit ?? '',
    gitTreeState: build.commit === undefined ? '' : 'clean',
    buildDate: build.date ?? '1970-01-01T00:00:00Z',
    goVersion: `node${process.version}`,
    compiler: 'v8',
    platform: `${process.platform}/${platformNames[process.arch] ?? process.arch}`,
  };
}
