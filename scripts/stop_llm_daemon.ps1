<#
.SYNOPSIS
Stops the loop and its running trainings, and returns when it is gone.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER LeaveRun
Leaves a running training alone; the next start takes it up again.
.EXAMPLE
.\scripts\stop_llm_daemon.ps1 -LeaveRun
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false, SupportsShouldProcess)]
param(
    [string]$WorkspaceRoot = '',
    [switch]$LeaveRun
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'stop')
if ($LeaveRun) { $cli += '--leave-run' }
if ($PSCmdlet.ShouldProcess($WorkspaceRoot, 'Stop the loop')) {
    Invoke-Bootstrap @cli
    exit $LASTEXITCODE
}
