<#
.SYNOPSIS
Lets Windows start the loop at log-on, and again when it died.
.DESCRIPTION
Makes a scheduled task for you alone, without administrator rights. A loop that you ended stays ended until you start
it again.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER ConfigPath
Config file, relative to the workspace or absolute. Default: config/daemon_config.json.
.PARAMETER Remove
Removes the task instead. A loop that runs goes on.
.EXAMPLE
powershell -ExecutionPolicy Bypass -File scripts\install_autostart.ps1
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false, SupportsShouldProcess)]
param(
    [string]$WorkspaceRoot = '',
    [ValidateNotNullOrEmpty()][string]$ConfigPath = 'config/daemon_config.json',
    [switch]$Remove
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$what = 'on'
if ($Remove) { $what = 'off' }
$cli = @('--workspace', $WorkspaceRoot, 'autostart', $what, '--config', $ConfigPath)
if ($PSCmdlet.ShouldProcess($WorkspaceRoot, "Switch autostart $what")) {
    Invoke-Bootstrap @cli
    exit $LASTEXITCODE
}
