/** A setting as it is in use. */
export interface SettingInEffect {
  /** The name of its variable. */
  readonly name: string;
  /** Its text; `[hidden]` for a secret. Absent: it is not set, and has no default. */
  readonly value?: string;
  readonly source: 'environment' | 'file' | 'default';
}
