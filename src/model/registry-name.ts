/** One spelling for comparing: `Example.azurecr.io.:443` and `example.azurecr.io` are the same registry. */
export function comparableRegistry(registry: string): string {
  return registry.toLowerCase().replace(/:443$/, '').replace(/\.$/, '');
}
