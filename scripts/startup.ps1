<#
.SYNOPSIS
Makes what is missing of the Python environments and starts the loop.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER ConfigPath
Config file, relative to the workspace or absolute. Default: config/daemon_config.json.
.PARAMETER StartInNewWindow
Starts the loop in a window of its own and returns.
.PARAMETER Detach
Starts the loop in the background and returns.
.PARAMETER Cycles
Ends the loop after this number of cycles, 0 or more. Default: 0, no limit.
.PARAMETER RunMinutes
Ends the loop after this number of minutes, 0 or more, fractions allowed. Default: 0, no limit.
.PARAMETER Until
Ends the loop when a target is reached, as in "val_log_loss<=0.09". Default: empty, no target.
.EXAMPLE
powershell -ExecutionPolicy Bypass -File scripts\startup.ps1 -Cycles 6
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = '',
    [ValidateNotNullOrEmpty()][string]$ConfigPath = 'config/daemon_config.json',
    [switch]$StartInNewWindow, [switch]$Detach,
    [ValidateRange(0, 1000000)][int]$Cycles = 0,
    [ValidateRange(0, 1000000)][double]$RunMinutes = 0,
    [string]$Until = ''
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'start', '--config', $ConfigPath)
if ($StartInNewWindow) { $cli += '--new-window' }
if ($Detach) { $cli += '--detach' }
if ($Cycles -gt 0) { $cli += @('--cycles', $Cycles) }
if ($RunMinutes -gt 0) { $cli += @('--run-minutes', $RunMinutes) }
if ($Until) { $cli += "--until=$Until" }
Invoke-Bootstrap @cli
exit $LASTEXITCODE
