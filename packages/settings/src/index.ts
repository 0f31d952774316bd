export {
  followSettings,
  type LiveSettings,
  type LiveSettingsDeps,
  POLL_MS,
  type SettingsObserver,
  STORE_TIMEOUT_MS,
} from './live-settings.ts'
export {
  type Difference,
  differences,
  NOTE_LENGTH_MAX,
  noteSchema,
  type Overrides,
  patched,
  patchSchema,
  type SettingsPatch,
  settingsWith,
} from './overrides.ts'
export { boundsText, readSetting, type Setting, type SettingValue } from './setting.ts'
export {
  type Changed,
  type ChangeRequest,
  createSettingsStore,
  isReadable,
  type ReadableVersion,
  type RolledBack,
  type SettingsStore,
  type SettingsVersion,
  type UnreadableVersion,
  VERSIONS_KEPT,
} from './settings-store.ts'
export {
  environmentName,
  isSettingName,
  type SettingName,
  type Settings,
  settingNames,
  settingOf,
  settingsSchema,
} from './settings-table.ts'
