<#
.SYNOPSIS
Starts the loop in this window and stays until it ends.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER ConfigPath
Config file, relative to the workspace or absolute. Default: config/daemon_config.json.
.EXAMPLE
.\scripts\start_llm_daemon.ps1 -ConfigPath config/daemon_config.json
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = '',
    [ValidateNotNullOrEmpty()][string]$ConfigPath = 'config/daemon_config.json'
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
Invoke-Bootstrap '--workspace' $WorkspaceRoot 'start' '--config' $ConfigPath
exit $LASTEXITCODE
